package io.squeeze.config;

import java.io.Serializable;
import java.util.List;

/**
 * The loss that training of the head minimizes.
 *
 * @param type its short name, or a class
 * @param classWeights weights of cross entropy, one per class; empty: all classes count the same
 * @param gamma exponent of the focal loss
 * @param ce weight of cross entropy in the combined loss
 * @param dice weight of dice in it
 * @param focal weight of focal loss in it
 */
public record LossSettings(
    String type, List<Double> classWeights, double gamma, double ce, double dice, double focal)
    implements Serializable {

  static LossSettings from(Section section) {
    return new LossSettings(
        section.text("loss"),
        section.doubles("class-weights", 0, 1e6),
        section.doubleIn("focal-gamma", 0, 100),
        section.doubleIn("combined.ce", 0, 1e6),
        section.doubleIn("combined.dice", 0, 1e6),
        section.doubleIn("combined.focal", 0, 1e6));
  }
}
