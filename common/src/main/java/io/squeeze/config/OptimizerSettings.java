package io.squeeze.config;

import java.io.Serializable;
import java.util.List;

/**
 * How a step moves the parameters.
 *
 * @param type adamw, adam or sgd
 * @param lr the highest learning rate
 * @param weightDecay decoupled for adamw, an L2 penalty for the others
 * @param momentum of sgd; 0 for none
 * @param cosine whether the rate falls to {@code minLr} along half a cosine
 * @param warmupEpochs number of epochs over which the rate rises from 0
 * @param maxScale largest factor by which several shards multiply the rate
 * @param clipNorm largest norm that a step's gradients may have; null: no limit
 */
public record OptimizerSettings(
    String type,
    double lr,
    double weightDecay,
    double momentum,
    boolean cosine,
    double warmupEpochs,
    double minLr,
    double maxScale,
    Double clipNorm)
    implements Serializable {

  static OptimizerSettings from(Section section) {
    String type = section.oneOf("optimizer", List.of("adamw", "adam", "sgd"));
    Double decay = section.optionalDoubleIn("weight-decay", 0, 1e3);
    double usual = type.equals("adamw") ? 0.01 : 0;
    return new OptimizerSettings(
        type,
        section.doubleIn("lr", 0, 1e3),
        decay == null ? usual : decay,
        section.doubleIn("momentum", 0, 1),
        section.oneOf("schedule", List.of("constant", "cosine")).equals("cosine"),
        section.doubleIn("warmup-epochs", 0, 1e6),
        section.doubleIn("min-lr", 0, 1e3),
        section.doubleIn("max-lr-scale", 1, 1e3),
        section.optionalDoubleIn("clip-norm", 1e-12, 1e12));
  }

  /**
   * The same for parameter averaging over several shards, by the square root scaling rule (arXiv
   * 2205.10287).
   */
  public OptimizerSettings over(int shards) {
    double scale = Math.min(maxScale, Math.sqrt(shards));
    return new OptimizerSettings(
        type,
        lr * scale,
        weightDecay,
        momentum,
        cosine,
        warmupEpochs,
        minLr * scale,
        maxScale,
        clipNorm);
  }

  /**
   * The learning rate of a step: it rises linearly over the warm-up, then stays, or falls along
   * half a cosine (arXiv 1608.03983, eq. 5, without restarts).
   *
   * @param step counted from 0
   * @param perEpoch steps of an epoch
   */
  public double rate(long step, int perEpoch, int epochs) {
    double warmup = warmupEpochs * perEpoch;
    if (step + 1 < warmup) {
      return lr * (step + 1) / warmup;
    }
    if (!cosine) {
      return lr;
    }
    double left = (double) perEpoch * epochs - warmup;
    double done = left <= 0 ? 1 : Math.min(1, Math.max(0, step - warmup) / left);
    return minLr + (lr - minLr) * (1 + StrictMath.cos(Math.PI * done)) / 2;
  }
}
