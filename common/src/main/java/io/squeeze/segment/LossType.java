package io.squeeze.segment;

import io.squeeze.config.LossSettings;
import io.squeeze.config.Plugins;
import io.squeeze.config.SqueezeException;

/**
 * A kind of loss. Implementations are found by {@link #name} through {@code META-INF/services}, or
 * by the name of their class; they need a constructor without parameters.
 */
public interface LossType {

  /** What {@code --loss_type} calls it. */
  String name();

  /**
   * A loss over {@code classes} classes.
   *
   * @throws SqueezeException of category configuration if the settings do not suit
   */
  SegmentationLoss create(LossSettings settings, int classes);

  /**
   * The type of a name.
   *
   * @throws SqueezeException of category configuration, with the known names, if there is none
   */
  static LossType named(String name) {
    return Plugins.named(LossType.class, LossType::name, name, "loss", "--loss_type");
  }
}
