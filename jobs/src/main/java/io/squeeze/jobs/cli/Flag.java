package io.squeeze.jobs.cli;

import java.util.List;

/** The flags that are settings: each has one key, and its default stands in reference.conf. */
enum Flag {
  MODEL(
      "model",
      "model",
      "vit|deeplab|FILE",
      "Backbone: ViT-B/32, DeepLabV3-ResNet50, a TorchScript file, or an Architecture's class."),
  WEIGHTS("weights", "weights", "FILE", "Official weights of vit or deeplab: .pth, safetensors."),
  PRECISION(
      "precision", "backbone.precision", "fp32|bf16|fp16", "What vit and deeplab compute in."),
  LAYOUT("layout", "backbone.layout", "nchw|nhwc|tokens", "What a TorchScript file gives."),
  PREFIX_TOKENS("prefix_tokens", "backbone.prefix-tokens", "N", "Tokens before the grid's."),
  IMAGE_SIZE("image_size", "image.size", "PIXELS", "Side of the square that the backbone sees."),
  IMAGE_RESIZE("image_resize", "image.resize", "PIXELS", "Shorter side before the crop."),
  IMAGE_CROP("image_crop", "image.crop", "center|squash", "How a photo becomes a square."),
  WINDOWS("windows", "image.windows", "PIXELS", "Side of windows that slide over the square."),
  STRIDE("stride", "image.stride", "PIXELS", "From one window to the next."),
  IMAGE_MEAN("image_mean", "image.mean", "[R,G,B]", "Means of the channels, in 0..1."),
  IMAGE_STD("image_std", "image.std", "[R,G,B]", "Standard deviations of the channels."),
  DECODE("decode", "image.decode", "full|scaled", "Whether large JPEGs are decoded smaller."),
  EXIF_ORIENTATION(
      "exif_orientation", "image.exif-orientation", "ignore|apply", "Whether photos are turned."),
  EMBEDDING_DTYPE(
      "embedding_dtype", "extract.embedding-dtype", "auto|float32|float16", "Stored feature type."),
  POOL("pool", "extract.pool", "none|mean|cls", "One vector of each photo beside its grid."),
  POOLED_ONLY(
      "pooled_only", "extract.pooled-only", "", "Pooled vectors alone, without grids and masks."),
  DECODE_THREADS("decode_threads", "extract.decode-threads", "N", "Decoding threads of a task."),
  READ_THREADS("read_threads", "extract.read-threads", "N", "Threads of a task that read ahead."),
  PHOTOS("photos", "extract.photos", "N", "Photos of each split, by hashed id; unset: all."),
  DEVICE("device", "compute.device", "auto|cpu|cuda:N", "Where tasks compute."),
  GPU_TASKS("gpu_tasks", "compute.gpu-tasks", "N", "Tasks a GPU at a time, under local[n]."),
  GPU_SHARE("gpu_share", "compute.gpu-share", "SHARE", "Share of a GPU for a computing task."),
  THREADS_PER_TASK(
      "threads_per_task", "compute.threads-per-task", "N|auto", "Threads of a task's operations."),
  EMBEDDINGS(
      "embeddings", "embeddings", "PATH", "Data set of embeddings; its versions are PATH/v1, …"),
  SEED("seed", "seed", "N", "Seed of everything random."),
  NUM_CLASSES("num_classes", "num-classes", "N", "Classes of the head; unset: the data set's."),
  DATASET("dataset", "data.dataset", "NAME|CLASS", "oxford_pet, or a SegmentationDataset."),
  DATA_PATH("data_path", "data.path", "PATH", "Folder of the data set: local, hdfs:, s3a:, …"),
  SUBSET_SIZE(
      "subset_size", "data.subset-size", "N", "Samples to use, drawn by breed; unset: all."),
  VAL_FRACTION("val_fraction", "data.val-fraction", "SHARE", "Share held out for validation."),
  SPLIT("split", "data.cut", "stratified|reference", "How it is cut: by breed, or in list order."),
  SPLIT_SEED(
      "split_seed", "data.split-seed", "N", "Seed of that cut, of the subset and of the shards."),
  ON_BAD_SAMPLE(
      "on_bad_sample", "data.on-bad-sample", "skip|fail", "What a bad image or row does."),
  MAX_BAD_FRACTION(
      "max_bad_fraction",
      "data.max-bad-fraction",
      "SHARE",
      "Largest share of bad images or rows that is left out."),
  EXTRACT_BATCH_SIZE(
      "extract_batch_size", "extract.batch-size", "N", "Images of one forward pass."),
  QUANTIZER_TYPE(
      "quantizer_type",
      "quantizer.type",
      "TYPE",
      "vq, fsq, lfq, rvq, pq, scalar, auto, none, or a class."),
  BYTES("bytes", "quantizer.bytes", "N", "Bytes of a vector's codes, for --input; 2.5, too."),
  CODEBOOK_SIZE(
      "codebook_size",
      "quantizer.codebook-size",
      "N",
      "Codes of a level; unset: 512 (9 bits), or the type's own. [1024,64]: of each level of rvq."),
  BOTTLENECK_DIM(
      "bottleneck_dim", "quantizer.bottleneck-dim", "N|auto|none", "Dimension that is searched."),
  NUM_QUANTIZERS(
      "num_quantizers", "quantizer.num-quantizers", "N", "Levels of rvq, sub-vectors of pq."),
  BEAM("beam", "quantizer.beam", "N", "Beam width of rvq: codes that it keeps at a level."),
  VQ_LOSS_WEIGHT("vq_loss_weight", "quantizer.loss-weight", "W", "Weight of the quantizer's loss."),
  MAX_INIT_SAMPLES(
      "max_init_samples",
      "quantizer.codebook.max-init-samples",
      "N",
      "Most vectors that the first codebook is made from."),
  ADD_ADAPTER("add_adapter", "train.adapter", "", "A residual bottleneck before the quantizer."),
  ADAPTER_TARGET_PARAMS(
      "adapter_target_params", "train.adapter-params", "N", "Parameters of that adapter."),
  FEATURE_DIM("feature_dim", "train.feature-dim", "N", "What the embeddings' channels must be."),
  HEAD(
      "head",
      "train.head",
      "auto|conv|deeplab|linear|none",
      "Segmentation head; none for --input."),
  LOSS_TYPE("loss_type", "train.loss", "TYPE", "ce, dice, focal, combined, or a LossType's class."),
  CLASS_WEIGHTS(
      "class_weights", "train.class-weights", "[W,…]", "For cross entropy, one per class."),
  OPTIMIZER("optimizer", "train.optimizer", "adamw|adam|sgd", "How parameters move."),
  SCHEDULE("schedule", "train.schedule", "constant|cosine", "How the learning rate goes."),
  WARMUP_EPOCHS(
      "warmup_epochs", "train.warmup-epochs", "N", "Epochs in which the rate rises from 0."),
  CLIP_NORM("clip_norm", "train.clip-norm", "NORM", "Largest norm of a step's gradients."),
  MONITOR("monitor", "train.monitor", "METRIC", "The metric that selects best.ckpt."),
  PATIENCE(
      "patience", "train.patience", "N", "Stop after N epochs without improvement; null: never."),
  ON_NAN("on_nan", "train.on-nan", "fail|drop", "Effect of a shard with NaN or infinity."),
  EPOCHS("epochs", "train.epochs", "N", "Passes over the training samples."),
  BATCH_SIZE("batch_size", "train.batch-size", "N", "Samples of one step."),
  LR("lr", "train.lr", "RATE", "Highest learning rate; unset: 1e-4, of the linear head 1e-3."),
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
  N_CHANGED("n_changed", "visualize.changed", "N", "Samples that lost most against the baseline."),
  N_RANDOM("n_random", "visualize.random", "N", "Samples drawn by --seed."),
  OUTLINES("outlines", "visualize.outlines", "", "Masks as outlines over the photo."),
  USE_CLEARML("use_clearml", "track.clearml", "", "Reports the run to a ClearML server, too."),
  MLFLOW("mlflow", "track.mlflow", "URI", "Address of an MLflow server for the run."),
  PROJECT_NAME(
      "project_name", "track.project", "NAME", "Project in ClearML, experiment in MLflow."),
  TASK_NAME("task_name", "track.task", "NAME", "Name in trackers; unset: the experiment's."),
  PICTURE_DIR("output_dir", "visualize.dir", "PATH", "Pictures go to PATH/MODEL_NAME/.");

  /** Of the commands that read a table of vectors, beside training. */
  static final List<Flag> BAD_ROWS = List.of(ON_BAD_SAMPLE, MAX_BAD_FRACTION);

  /** Where any job computes. */
  static final List<Flag> COMPUTE = List.of(DEVICE, GPU_TASKS, GPU_SHARE, THREADS_PER_TASK);

  /** How photos become embeddings: for extract, and for training that extracts first. */
  static final List<Flag> EXTRACTION =
      List.of(
          MODEL,
          WEIGHTS,
          PRECISION,
          LAYOUT,
          PREFIX_TOKENS,
          IMAGE_SIZE,
          IMAGE_RESIZE,
          IMAGE_CROP,
          WINDOWS,
          STRIDE,
          IMAGE_MEAN,
          IMAGE_STD,
          DATASET,
          DATA_PATH,
          PHOTOS,
          ON_BAD_SAMPLE,
          MAX_BAD_FRACTION,
          EXTRACT_BATCH_SIZE,
          EMBEDDING_DTYPE,
          POOL,
          POOLED_ONLY,
          DECODE_THREADS,
          READ_THREADS);

  static final List<Flag> TRAINING =
      List.of(
          EMBEDDINGS,
          NUM_CLASSES,
          FEATURE_DIM,
          HEAD,
          SUBSET_SIZE,
          VAL_FRACTION,
          SPLIT,
          SPLIT_SEED,
          LOSS_TYPE,
          CLASS_WEIGHTS,
          OPTIMIZER,
          SCHEDULE,
          WARMUP_EPOCHS,
          CLIP_NORM,
          MONITOR,
          PATIENCE,
          ON_NAN,
          EPOCHS,
          BATCH_SIZE,
          LR,
          SHARDS,
          AVERAGING_FREQUENCY,
          MAX_BATCHES,
          SEED,
          OUTPUT_DIR,
          EXPERIMENT_NAME,
          USE_CLEARML,
          MLFLOW,
          PROJECT_NAME,
          TASK_NAME);

  static final List<Flag> QUANTIZER =
      List.of(
          QUANTIZER_TYPE,
          BYTES,
          CODEBOOK_SIZE,
          BOTTLENECK_DIM,
          NUM_QUANTIZERS,
          BEAM,
          ADD_ADAPTER,
          ADAPTER_TARGET_PARAMS,
          VQ_LOSS_WEIGHT,
          MAX_INIT_SAMPLES);

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
