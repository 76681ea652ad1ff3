package io.squeeze.jobs.cli;

import io.squeeze.config.Settings;
import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.console.Reporter;
import io.squeeze.jobs.evaluate.EvaluateJob;
import io.squeeze.jobs.evaluate.EvaluateVectorsJob;
import io.squeeze.jobs.evaluate.Recall;
import io.squeeze.jobs.grid.GridJob;
import io.squeeze.jobs.grid.GridRuns;
import io.squeeze.jobs.grid.PhotoRuns;
import io.squeeze.jobs.grid.TableRuns;
import io.squeeze.jobs.model.VectorTable;
import io.squeeze.jobs.run.RunSummary;
import io.squeeze.jobs.spark.SqueezeSession;
import io.squeeze.jobs.train.FitVectorsJob;
import io.squeeze.jobs.train.TrainJob;
import io.squeeze.jobs.visualize.VisualizeJob;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import picocli.CommandLine;

/** The commands about runs: training, evaluation, pictures. */
final class RunCommands {
  private static final String RECALL_QUERIES = "--recall_queries";
  private static final String RECALL_POPULATION = "--recall_population";
  private static final String CHECKPOINT = "--checkpoint";
  private static final String BASELINE_CHECKPOINT = "--baseline_checkpoint";
  private static final String EMBEDDINGS = "--embeddings";
  private static final String GRID = "--grid";
  private static final String RANK_BY = "--rank_by";
  private static final String SPLIT = "--split";

  private final Reporter reporter;

  RunCommands(Reporter reporter) {
    this.reporter = reporter;
  }

  CommandLine train() {
    return Commands.command(
        reporter,
        "train",
        Commands.join(
            Commands.join(Commands.join(Flag.TRAINING, Flag.QUANTIZER), Flag.EXTRACTION),
            Flag.COMPUTE),
        arguments -> {
          Settings settings = arguments.settings(Map.of());
          boolean vectors = Table.given(arguments);
          checkTrackers(settings, vectors);
          SqueezeSession session = arguments.start("train", settings);
          if (!vectors) {
            return trained(session, TrainJob.run(session, settings));
          }
          String fitted =
              new FitVectorsJob(session, Table.of(session, arguments, settings.data()), settings)
                  .run();
          arguments.reporter().result("Checkpoint: " + fitted);
          return Map.of("checkpoint", fitted);
        },
        spec -> {
          Table.declare(spec);
          Arguments.declareSwitches(spec, true);
        },
        "Embeddings to a checkpoint: a quantizer and a segmentation head.",
        "",
        "Extracts the embeddings first where they are missing. Writes last.ckpt, best.ckpt,",
        "metrics.jsonl, tensorboard/ and config.json to OUTPUT_DIR/EXPERIMENT_NAME/. With --input, fits a",
        "quantizer to the vectors of a table instead; --bytes says what a vector's codes may take, and",
        "the best type of that size is chosen unless --quantizer_type names one.",
        "",
        "  submit/squeeze train --embeddings emb/pets --quantizer_type vq --epochs 10",
        "  submit/squeeze train --input table.parquet --vector_col v --id_col id --bytes 16",
        "");
  }

  private static void checkTrackers(Settings settings, boolean vectors) {
    if (vectors && (settings.track().clearMl() || settings.track().mlflow() != null)) {
      throw SqueezeException.usage(
          "--use_clearml and --mlflow follow epochs, of which --input has none");
    }
  }

  CommandLine baseline() {
    return Commands.command(
        reporter,
        "baseline",
        Commands.join(Commands.join(Flag.TRAINING, Flag.EXTRACTION), Flag.COMPUTE),
        arguments -> {
          Settings settings =
              arguments.settings(
                  Map.of(
                      "quantizer.type", "none", "output.experiment-name", "segmentation_baseline"));
          SqueezeSession session = arguments.start("baseline", settings);
          return trained(session, TrainJob.run(session, settings));
        },
        spec -> Arguments.declareSwitches(spec, false),
        "The segmentation head alone, on embeddings as they are.",
        "",
        "A quantizer is compared with this run. Its name is segmentation_baseline unless",
        "--experiment_name gives another one.",
        "",
        "  submit/squeeze baseline --embeddings emb/pets --epochs 10",
        "");
  }

  CommandLine evaluate() {
    return Commands.command(
        reporter,
        "evaluate",
        Commands.join(Flag.COMPUTE, Flag.BAD_ROWS),
        arguments -> {
          Settings settings = arguments.settings(Map.of());
          if (Table.given(arguments)) {
            SqueezeSession session = arguments.start("evaluate", settings);
            VectorTable table = Table.of(session, arguments, settings.data());
            String checkpoint = arguments.own(CHECKPOINT);
            return new EvaluateVectorsJob(
                    session, table, checkpoint, arguments.own(Commands.BEAM), draw(arguments))
                .run();
          }
          String split = arguments.own(SPLIT, "test");
          return new EvaluateJob(
                  arguments.start("evaluate", settings),
                  new EvaluateJob.Request(
                      arguments.own(CHECKPOINT),
                      arguments.own(BASELINE_CHECKPOINT),
                      arguments.own(EMBEDDINGS),
                      split,
                      arguments.own(Commands.BEAM)))
              .run();
        },
        spec -> {
          Arguments.declare(spec, CHECKPOINT, "FILE", true, "Checkpoint of a run.");
          Commands.declareBeam(spec);
          Arguments.declare(
              spec, BASELINE_CHECKPOINT, "FILE", false, "Checkpoint of a baseline, to compare.");
          Arguments.declare(
              spec, SPLIT, "NAME", false, "test, trainval, train or val. Default: test.");
          Arguments.declare(spec, EMBEDDINGS, "PATH", false, "Default: those of the run.");
          Table.declare(spec);
          Arguments.declare(
              spec,
              RECALL_QUERIES,
              "N|all",
              false,
              "Vectors of a table that are asked for their neighbours. Default: 200.");
          Arguments.declare(
              spec,
              RECALL_POPULATION,
              "N|all",
              false,
              "Vectors of a table that are searched for them. Default: 20000.");
        },
        "Measures the quality (IoU) and the size (bytes) of every sample.",
        "",
        "Writes per_sample.parquet, groups.csv and summary.json to evaluation/SPLIT/ beside the checkpoint.",
        "With --input, it measures a table of vectors: squared error, cosine similarity and",
        "recall@10.",
        "",
        "  submit/squeeze evaluate --checkpoint outputs/vq_squeeze/last.ckpt \\",
        "      --baseline_checkpoint outputs/segmentation_baseline/last.ckpt",
        "");
  }

  private static Recall.Draw draw(Arguments arguments) {
    return new Recall.Draw(
        number(arguments, RECALL_QUERIES, Recall.Draw.USUAL.queries()),
        number(arguments, RECALL_POPULATION, Recall.Draw.USUAL.population()));
  }

  /** A number of vectors, or all. */
  private static long number(Arguments arguments, String option, long otherwise) {
    String text = arguments.own(option, Long.toString(otherwise));
    if (text.equals("all")) {
      return Long.MAX_VALUE;
    }
    if (!text.matches("[1-9][0-9]{0,8}")) {
      throw SqueezeException.usage(option + " " + text + " is neither a number nor all");
    }
    return Long.parseLong(text);
  }

  CommandLine grid() {
    List<Flag> flags =
        Commands.join(
            Commands.join(Commands.join(Flag.TRAINING, Flag.QUANTIZER), Flag.EXTRACTION),
            Flag.COMPUTE);
    // Each run is called by what it varies.
    flags.removeAll(List.of(Flag.EXPERIMENT_NAME, Flag.TASK_NAME));
    return Commands.command(
        reporter,
        "grid",
        flags,
        arguments -> {
          String path = arguments.own(GRID);
          GridJob.File file = GridJob.File.parse(path, Arguments.text(path, GRID));
          Settings settings = arguments.settings(file.base());
          int parallel = (int) Commands.number(arguments, "--parallel", 1, 1, 1024);
          boolean vectors = Table.given(arguments);
          checkTrackers(settings, vectors);
          SqueezeSession session = arguments.startFair("grid", settings);
          GridRuns runs =
              vectors
                  ? tableRuns(session, arguments, settings)
                  : new PhotoRuns(session, arguments.own(RANK_BY, "test"));
          new GridJob(session, file, runs, settings, parallel).run();
          return null;
        },
        spec -> {
          Arguments.declare(spec, GRID, "FILE", true, "Lists of settings, in HOCON.");
          Arguments.declare(spec, "--parallel", "N", false, "Runs at a time. Default: 1.");
          Table.declare(spec);
          Arguments.declare(
              spec,
              RANK_BY,
              "SPLIT|TABLE",
              false,
              "The split that runs are ranked by. Default: test. With --input, the table that they"
                  + " are measured on. Default: the same.");
          Arguments.declareSwitches(spec, true);
        },
        "Many trainings over one extraction or one table, and their ranking.",
        "",
        "Each run is a folder in OUTPUT_DIR/NAME/, where NAME is the name of the file. If the grid",
        "runs again, it skips finished runs and repeats failed ones. Writes results.csv,",
        "results.parquet (runs that differ in their seed alone are one row), runs.csv, report.html and",
        "the picture rate_distortion.png, .svg. conf/grids/ holds examples. With --input, the runs fit",
        "quantizers to the vectors of a table.",
        "",
        "  submit/squeeze grid --grid conf/grids/quantizers.conf --embeddings emb/pets --parallel 2",
        "  submit/squeeze grid --grid conf/grids/rates.conf --input table.parquet --vector_col v --id_col id",
        "");
  }

  private static GridRuns tableRuns(SqueezeSession session, Arguments arguments, Settings settings)
      throws IOException {
    VectorTable fitted = Table.of(session, arguments, settings.data());
    String other = arguments.own(RANK_BY);
    return new TableRuns(
        session,
        fitted,
        other == null ? fitted : Table.of(session, arguments, other, RANK_BY, settings.data()));
  }

  CommandLine visualize() {
    List<Flag> flags =
        Commands.join(
            List.of(
                Flag.N_BEST,
                Flag.N_WORST,
                Flag.N_CHANGED,
                Flag.N_RANDOM,
                Flag.SEED,
                Flag.OUTLINES,
                Flag.PICTURE_DIR,
                Flag.USE_CLEARML,
                Flag.MLFLOW,
                Flag.PROJECT_NAME),
            Flag.COMPUTE);
    return Commands.command(
        reporter,
        "visualize",
        flags,
        arguments -> {
          Settings settings = arguments.settings(Map.of());
          String split = arguments.own("--dataset_split", "test");
          return new VisualizeJob(
                  arguments.start("visualize", settings),
                  new EvaluateJob.Request(
                      arguments.own("--vq_checkpoint"),
                      arguments.own(BASELINE_CHECKPOINT),
                      arguments.own(EMBEDDINGS),
                      split,
                      null),
                  arguments.own("--data_path"),
                  settings)
              .run();
        },
        spec -> {
          Arguments.declare(spec, "--vq_checkpoint", "FILE", true, "Checkpoint of a run.");
          Arguments.declare(
              spec, BASELINE_CHECKPOINT, "FILE", false, "Checkpoint of a baseline, to compare.");
          Arguments.declare(
              spec, "--dataset_split", "NAME", false, "test, val, train, trainval. Default: test.");
          Arguments.declare(spec, EMBEDDINGS, "PATH", false, "Default: those of the run.");
          Arguments.declare(
              spec, "--data_path", "PATH", false, "Photos. Default: where they were extracted.");
          for (String known :
              List.of(
                  "--model",
                  "--dataset",
                  "--num_classes",
                  "--subset_size",
                  "--batch_size",
                  "--deeplab_weights",
                  "--vit_weights")) {
            Arguments.declare(
                spec, known, "VALUE", false, "Does nothing: the checkpoint knows it.");
          }
        },
        "A report of a run in one HTML file, and pictures of the samples that kept most and least.",
        "",
        "Evaluates the split as evaluate does, and draws the best samples, the worst, those that",
        "lost most against the baseline, and some by seed. Columns: photo, ground truth, baseline,",
        "quantized, IoU.",
        "Only drawn samples reach the driver.",
        "",
        "  submit/squeeze visualize --vq_checkpoint outputs/vq_squeeze/last.ckpt \\",
        "      --baseline_checkpoint outputs/segmentation_baseline/last.ckpt",
        "");
  }

  private static Object trained(SqueezeSession session, String checkpoint) throws IOException {
    RunSummary summary = RunSummary.of(session.storage(), checkpoint);
    summary.lines().forEach(session.reporter()::result);
    return summary;
  }
}
