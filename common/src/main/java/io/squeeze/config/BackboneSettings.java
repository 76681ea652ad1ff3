package io.squeeze.config;

import java.io.Serializable;
import java.util.List;

/**
 * How a backbone computes, and the layout of its output.
 *
 * @param precision fp32, fp16 or bf16
 * @param tokens whether its output is [B, prefix + h * w, C]; otherwise it is [B, C, h, w]
 * @param prefixTokens number of tokens before those of the grid
 * @param allowNonFinite whether weights may hold NaN or infinity
 */
public record BackboneSettings(
    String precision, boolean tokens, int prefixTokens, boolean allowNonFinite)
    implements Serializable {

  static BackboneSettings from(Section section) {
    return new BackboneSettings(
        section.oneOf("precision", List.of("fp32", "fp16", "bf16")),
        section.oneOf("layout", List.of("nchw", "tokens")).equals("tokens"),
        section.intIn("prefix-tokens", 0, 1000),
        section.bool("allow-non-finite"));
  }
}
