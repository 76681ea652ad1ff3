package io.squeeze.quantize;

import io.squeeze.config.Plugins;
import io.squeeze.config.QuantizerSettings;
import io.squeeze.config.SqueezeException;

/**
 * A kind of quantizer. Implementations are found by {@link #name} through {@code
 * META-INF/services}, or by the name of their class; they need a constructor without parameters. A
 * checkpoint holds the name and the settings, never a class.
 */
public interface QuantizerType {

  /** What {@code --quantizer_type} calls it. */
  String name();

  /**
   * A quantizer for vectors of {@code channels} values.
   *
   * @throws SqueezeException of category configuration if the settings do not suit this type
   */
  Quantizer create(QuantizerSettings settings, int channels);

  /** What the width of the vectors that are searched has to be a multiple of. */
  default int widthMultiple(QuantizerSettings settings) {
    return 1;
  }

  /**
   * The type of a name.
   *
   * @throws SqueezeException of category configuration, with the known names, if there is none
   */
  static QuantizerType named(String name) {
    return Plugins.named(
        QuantizerType.class, QuantizerType::name, name, "quantizer", "--quantizer_type");
  }
}
