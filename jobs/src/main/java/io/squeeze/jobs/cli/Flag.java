package io.squeeze.jobs.cli;

import java.util.List;

/** The flags that are settings: each has one key, and its default stands in reference.conf. */
enum Flag {
  MODEL("model", "model", "vit|FILE", "Backbone: vit (ViT-B/32), or a TorchScript file."),
  WEIGHTS("weights", "weights", "FILE", "Checkpoint of the backbone's weights."),
  EMBEDDINGS(
      "embeddings", "embeddings", "PATH", "Data set of embeddings; its versions are PATH/v1, …"),
  SEED("seed", "seed", "N", "Seed of initial weights, sample order, shards and k-means."),
  NUM_CLASSES("num_classes", "num-classes", "N", "Classes of the head; unset: the data set's."),
  DATASET("dataset", "data.dataset", "NAME|CLASS", "oxford_pet, or a SegmentationDataset."),
  DATA_PATH("data_path", "data.path", "PATH", "Folder of the data set: local, hdfs:, s3a:, …"),
  SUBSET_SIZE(
      "subset_size", "data.subset-size", "N", "Samples to use, drawn by breed; unset: all."),
  VAL_FRACTION("val_fraction", "data.val-fraction", "SHARE", "Share held out for validation."),
  SPLIT_SEED("split_seed", "data.split-seed", "N", "Seed of that cut and of the subset."),
  ON_BAD_SAMPLE("on_bad_sample", "data.on-bad-sample", "skip|fail", "What a bad image does."),
  MAX_BAD_FRACTION(
      "max_bad_fraction",
      "data.max-bad-fraction",
      "SHARE",
      "Largest share of bad images that still publishes."),
  EXTRACT_BATCH_SIZE(
      "extract_batch_size", "extract.batch-size", "N", "Images of one forward pass."),
  QUANTIZER_TYPE("quantizer_type", "quantizer.type", "vq|none", "How vectors are squeezed."),
  CODEBOOK_SIZE("codebook_size", "quantizer.codebook-size", "N", "Codes: 512 make 9 bits."),
  BOTTLENECK_DIM("bottleneck_dim", "quantizer.bottleneck-dim", "N", "Dimension that is searched."),
  VQ_LOSS_WEIGHT("vq_loss_weight", "quantizer.loss-weight", "W", "Weight of the quantizer's loss."),
  MAX_INIT_SAMPLES(
      "max_init_samples",
      "quantizer.max-init-samples",
      "N",
      "Most vectors that the first codebook is made from."),
  LOSS_TYPE("loss_type", "train.loss", "ce", "Segmentation loss."),
  EPOCHS("epochs", "train.epochs", "N", "Passes over the training samples."),
  BATCH_SIZE("batch_size", "train.batch-size", "N", "Samples of one step."),
  LR("lr", "train.lr", "RATE", "Learning rate of AdamW."),
  SHARDS("shards", "train.shards", "N", "Groups that train apart; unset: from the data's size."),
  AVERAGING_FREQUENCY(
      "averaging_frequency",
      "train.averaging-frequency",
      "STEPS",
      "Steps of a shard between two averagings."),
  MAX_BATCHES("max_batches", "train.max-batches", "N", "Most batches of an epoch; unset: all."),
  OUTPUT_DIR("output_dir", "output.dir", "PATH", "Folder of all runs."),
  EXPERIMENT_NAME(
      "experiment_name", "output.experiment-name", "NAME", "Folder of this run below it."),
  N_BEST("n_best", "visualize.best", "N", "Samples on the picture of the best."),
  N_WORST("n_worst", "visualize.worst", "N", "Samples on the picture of the worst."),
  PICTURE_DIR("output_dir", "visualize.dir", "PATH", "Pictures go to PATH/MODEL_NAME/.");

  static final List<Flag> DATA =
      List.of(DATASET, DATA_PATH, ON_BAD_SAMPLE, MAX_BAD_FRACTION, EXTRACT_BATCH_SIZE);

  static final List<Flag> TRAINING =
      List.of(
          MODEL,
          WEIGHTS,
          EMBEDDINGS,
          NUM_CLASSES,
          SUBSET_SIZE,
          VAL_FRACTION,
          SPLIT_SEED,
          LOSS_TYPE,
          EPOCHS,
          BATCH_SIZE,
          LR,
          SHARDS,
          AVERAGING_FREQUENCY,
          MAX_BATCHES,
          SEED,
          OUTPUT_DIR,
          EXPERIMENT_NAME);

  static final List<Flag> QUANTIZER =
      List.of(QUANTIZER_TYPE, CODEBOOK_SIZE, BOTTLENECK_DIM, VQ_LOSS_WEIGHT, MAX_INIT_SAMPLES);

  private final String flag;
  private final String key;
  private final String value;
  private final String help;

  Flag(String flag, String key, String value, String help) {
    this.flag = flag;
    this.key = key;
    this.value = value;
    this.help = help;
  }

  String flag() {
    return "--" + flag;
  }

  String key() {
    return key;
  }

  String value() {
    return value;
  }

  String help() {
    return help;
  }
}
