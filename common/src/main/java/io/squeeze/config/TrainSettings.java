package io.squeeze.config;

import java.io.Serializable;
import java.util.List;

/**
 * How a model is trained; steps are batches of one shard.
 *
 * @param head conv, deeplab, linear, or none to learn by reconstruction; auto until the embeddings
 *     are known
 * @param freshHead whether the head begins at random, although the backbone's weights have a
 *     trained head
 * @param adapterParameters number of parameters of the adapter before the quantizer; null: no
 *     adapter
 * @param featureDim number of channels that the embeddings must have; null: any
 * @param frozenBatchNorm whether batch norm keeps the statistics that it begins with
 * @param averagingFrequency steps between two averagings; null: the size of the state decides
 * @param dropDiverged whether a shard whose numbers are not finite is left out of a round
 * @param resume whether training continues an unfinished run
 * @param keep number of past epochs whose checkpoints are kept
 */
public record TrainSettings(
    String head,
    boolean freshHead,
    Integer adapterParameters,
    Integer featureDim,
    LossSettings loss,
    OptimizerSettings optimizer,
    boolean frozenBatchNorm,
    int epochs,
    int batchSize,
    Integer fixedShards,
    int shardRows,
    long shardBytes,
    Integer averagingFrequency,
    Integer maxBatches,
    boolean dropDiverged,
    StopSettings stop,
    boolean resume,
    int keep)
    implements Serializable {

  static TrainSettings from(Section section) {
    Integer channels = section.optionalIntIn("feature-dim", 1, 1 << 20);
    int parameters = section.intIn("adapter-params", 1, Integer.MAX_VALUE);
    Integer shards = section.optionalIntIn("shards", 1, 100_000);
    Integer frequency = section.optionalIntIn("averaging-frequency", 1, Integer.MAX_VALUE);
    Integer batches = section.optionalIntIn("max-batches", 1, Integer.MAX_VALUE);
    return new TrainSettings(
        section.oneOf("head", List.of("auto", "conv", "deeplab", "linear", "none")),
        section.oneOf("head-start", List.of("pretrained", "fresh")).equals("fresh"),
        section.bool("adapter") ? parameters : null,
        channels,
        LossSettings.from(section),
        OptimizerSettings.from(section),
        section.oneOf("batch-norm", List.of("trained", "frozen")).equals("frozen"),
        section.intIn("epochs", 1, 1_000_000),
        section.intIn("batch-size", 1, 65536),
        shards,
        section.intIn("shard-rows", 1, Integer.MAX_VALUE),
        section.bytes("shard-bytes"),
        frequency,
        batches,
        section.oneOf("on-nan", List.of("fail", "drop")).equals("drop"),
        StopSettings.from(section),
        section.bool("resume"),
        section.intIn("keep-checkpoints", 0, 10_000));
  }

  /** Shards for {@code rows} samples of {@code rowBytes} each: from the data, never the cluster. */
  public int shards(long rows, long rowBytes) {
    if (fixedShards != null) {
      return (int) Math.max(1, Math.min(fixedShards, rows));
    }
    long byRows = (rows + shardRows - 1) / shardRows;
    long byBytes = (rows * rowBytes + shardBytes - 1) / shardBytes;
    return Math.toIntExact(Math.max(1, Math.min(rows, Math.max(byRows, byBytes))));
  }
}
