package io.squeeze.jobs.publish;

import java.util.Map;

/**
 * The backbone that made features, as a manifest keeps it.
 *
 * @param name vit, deeplab, or a file's name without its ending
 * @param sha256 of the program with its weights
 * @param weights a checkpoint's SHA-256, or the seed of random ones; empty for a TorchScript file
 * @param precision that it computed in
 * @param layout of what it gives: nchw, nhwc or tokens
 * @param prefixTokens tokens before the grid's
 */
public record BackboneOrigin(
    String name, String sha256, String weights, String precision, String layout, int prefixTokens) {
  private static final String NAME = "backbone.name";
  private static final String SHA256 = "backbone.sha256";
  private static final String WEIGHTS = "backbone.weights";
  private static final String PRECISION = "backbone.precision";
  private static final String LAYOUT = "backbone.layout";
  private static final String PREFIX_TOKENS = "backbone.prefix-tokens";

  /** As the settings of a manifest say; all null of a table's codes, which have no backbone. */
  static BackboneOrigin of(Map<String, String> settings) {
    return new BackboneOrigin(
        settings.get(NAME),
        settings.get(SHA256),
        settings.get(WEIGHTS),
        settings.get(PRECISION),
        settings.get(LAYOUT),
        Integer.parseInt(settings.getOrDefault(PREFIX_TOKENS, "0")));
  }

  /** The settings of a manifest. */
  public Map<String, String> settings() {
    return Map.of(
        NAME, name,
        SHA256, sha256,
        WEIGHTS, weights,
        PRECISION, precision,
        LAYOUT, layout,
        PREFIX_TOKENS, Integer.toString(prefixTokens));
  }
}
