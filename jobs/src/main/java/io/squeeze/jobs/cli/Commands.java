package io.squeeze.jobs.cli;

import io.squeeze.config.Settings;
import io.squeeze.config.SqueezeException;
import io.squeeze.dataset.Shapes;
import io.squeeze.jobs.encode.DecodeJob;
import io.squeeze.jobs.encode.EncodeJob;
import io.squeeze.jobs.encode.Encoder;
import io.squeeze.jobs.evaluate.EvaluateJob;
import io.squeeze.jobs.extract.ExtractJob;
import io.squeeze.jobs.grid.GridJob;
import io.squeeze.jobs.ml.EncodeVectorsJob;
import io.squeeze.jobs.ml.EvaluateVectorsJob;
import io.squeeze.jobs.ml.FitVectorsJob;
import io.squeeze.jobs.ml.VectorTable;
import io.squeeze.jobs.query.QueryJob;
import io.squeeze.jobs.spark.Coding;
import io.squeeze.jobs.spark.Console;
import io.squeeze.jobs.spark.HadoopStorage;
import io.squeeze.jobs.spark.Sessions;
import io.squeeze.jobs.train.TrainJob;
import io.squeeze.jobs.visualize.VisualizeJob;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.function.Consumer;
import org.apache.spark.sql.SparkSession;
import picocli.CommandLine;
import picocli.CommandLine.Model.CommandSpec;

/** The commands, each with its flags, its help and the job that it runs. */
final class Commands {
  private static final String CODES = "--codes";
  private static final String CHECKPOINT = "--checkpoint";
  private static final String BASELINE_CHECKPOINT = "--baseline_checkpoint";
  private static final String EMBEDDINGS = "--embeddings";
  private static final String CODEC = "--codec";
  private static final String MASKS = "--masks";
  private static final String SQL = "--sql";
  private static final String FILE = "--file";
  private static final String GRID = "--grid";
  private static final String RANK_BY = "--rank_by";
  private static final String SPLIT = "--split";
  private static final String BEAM = "--beam";
  private static final String INPUT = "--input";
  private static final String VECTOR_COL = "--vector_col";
  private static final String ID_COL = "--id_col";

  private Commands() {}

  static CommandLine all() {
    CommandSpec root = CommandSpec.create().name("squeeze").mixinStandardHelpOptions(true);
    root.version("embeddings-squeeze 0.1.0");
    root.usageMessage()
        .synopsisHeading("")
        .customSynopsis("submit/squeeze [spark-submit options] COMMAND [options]")
        .description(
            "",
            "Squeezes grids of image embeddings into a few bits a vector and shows what that costs.",
            "")
        .width(100)
        .commandListHeading("Commands, in the order of a first walk:%n")
        .footer(
            "",
            "submit/squeeze COMMAND --help explains a command. Options take _ or -.",
            "Exit codes: 0 done, 1 unexpected, 2 usage, 3 configuration, 4 input data, 5 resource,",
            "6 training diverged, 7 some runs of a grid failed.");
    CommandLine line = new CommandLine(root);
    line.addSubcommand("synthesize", synthesize());
    line.addSubcommand("extract", extract());
    line.addSubcommand("train", train());
    line.addSubcommand("baseline", baseline());
    line.addSubcommand("evaluate", evaluate());
    line.addSubcommand("grid", grid());
    line.addSubcommand("encode", encode());
    line.addSubcommand("decode", decode());
    line.addSubcommand("visualize", visualize());
    line.addSubcommand("query", query());
    root.usageMessage().sortOptions(false);
    return line;
  }

  /** What a command does with its arguments. */
  private interface Action {
    void run(Arguments arguments) throws IOException;
  }

  private static CommandLine command(
      String name,
      List<Flag> flags,
      Action action,
      Consumer<CommandSpec> own,
      String header,
      String... help) {
    CommandSpec[] holder = new CommandSpec[1];
    Callable<Integer> call =
        () -> {
          action.run(new Arguments(flags, holder[0].commandLine().getParseResult()));
          return 0;
        };
    CommandSpec spec = CommandSpec.wrapWithoutInspection(call).name(name);
    holder[0] = spec;
    spec.mixinStandardHelpOptions(true);
    own.accept(spec);
    Arguments.declare(spec, flags);
    spec.usageMessage()
        .synopsisHeading("")
        .customSynopsis("submit/squeeze [spark-submit options] " + name + " [options]")
        .header(header)
        .description(help)
        .width(100)
        .sortOptions(false);
    return new CommandLine(spec);
  }

  private static CommandLine synthesize() {
    return command(
        "synthesize",
        List.of(),
        arguments -> {
          int count = (int) number(arguments, "--count", 240, 1, 10_000_000);
          long seed = number(arguments, "--seed", 42, Long.MIN_VALUE, Long.MAX_VALUE);
          Path folder = Path.of(arguments.own("--out"));
          new Shapes(seed).write(folder, count);
          Console.result("Written: " + count + " photos with trimaps in " + folder);
        },
        spec -> {
          Arguments.declare(spec, "--out", "FOLDER", true, "Local folder to write.");
          Arguments.declare(spec, "--count", "N", false, "Photos. Default: 240.");
          Arguments.declare(spec, "--seed", "N", false, "Seed. Default: 42.");
        },
        "Draws a small data set of shapes, to try everything without a download.",
        "",
        "Its layout is that of Oxford-IIIT Pet: images/, annotations/trimaps/, two lists.",
        "",
        "  submit/squeeze synthesize --out data/shapes --count 240",
        "");
  }

  private static long number(Arguments arguments, String name, long unset, long low, long high) {
    String given = arguments.own(name);
    try {
      long value = given == null ? unset : Long.parseLong(given);
      if (value >= low && value <= high) {
        return value;
      }
    } catch (NumberFormatException e) {
      // Said below, as for a number out of range.
    }
    throw SqueezeException.usage(
        name + " " + given + " is not a whole number in [" + low + ", " + high + "]");
  }

  private static List<Flag> join(List<Flag> first, List<Flag> second) {
    List<Flag> all = new ArrayList<>(first);
    all.addAll(second);
    return all;
  }

  private static CommandLine extract() {
    List<Flag> flags =
        join(join(List.of(Flag.EMBEDDINGS, Flag.SEED), Flag.EXTRACTION), Flag.COMPUTE);
    return command(
        "extract",
        flags,
        arguments -> {
          Settings settings = arguments.settings(Map.of());
          String codes = arguments.own(CODES);
          String checkpoint = arguments.own(CHECKPOINT);
          if ((codes == null) != (checkpoint == null)) {
            throw SqueezeException.usage("--codes and --checkpoint go together");
          }
          SparkSession spark = Sessions.start("extract", settings.compute());
          Encoder encoder = codes == null ? null : encoder(spark, arguments);
          Console.result(
              (codes == null ? "Embeddings: " : "Codes: ")
                  + new ExtractJob(spark, settings, encoder).run().path());
        },
        spec -> {
          Arguments.declare(
              spec, CODES, "PATH", false, "Write codes instead: versions PATH/v1, … of them.");
          Arguments.declare(
              spec, CHECKPOINT, "FILE", false, "Checkpoint whose quantizer gives the codes.");
          declareBeam(spec);
        },
        "Images to embeddings: every photo through the frozen backbone, once.",
        "",
        "Publishes the features as Parquet in PATH/v1, with the rejected photos in PATH/rejects/v1.",
        "Run again on the same photos, it finds them and does nothing; cut off, it goes on; with more",
        "photos in the lists, it extracts those and publishes PATH/v2.",
        "",
        "  submit/squeeze extract --model backbone.pt --data_path pets --embeddings emb/pets",
        "  submit/squeeze extract --model backbone.pt --data_path all --codes codes/all \\",
        "      --checkpoint outputs/vq_squeeze/last.ckpt",
        "");
  }

  private static CommandLine train() {
    return command(
        "train",
        join(join(join(Flag.TRAINING, Flag.QUANTIZER), Flag.EXTRACTION), Flag.COMPUTE),
        arguments -> {
          Settings settings = arguments.settings(Map.of());
          boolean vectors = vectors(arguments);
          SparkSession spark = Sessions.start("train", settings.compute());
          Console.result(
              "Checkpoint: "
                  + (vectors
                      ? new FitVectorsJob(spark, table(spark, arguments), settings).run()
                      : TrainJob.run(spark, settings)));
        },
        spec -> {
          declareTable(spec);
          Arguments.declareSwitches(spec, true);
        },
        "Embeddings to a checkpoint: a quantizer and a segmentation head.",
        "",
        "Extracts the embeddings first where they are missing. Writes last.ckpt, best.ckpt,",
        "metrics.jsonl and config.json to OUTPUT_DIR/EXPERIMENT_NAME/. With --input, fits a quantizer",
        "to the vectors of a table instead: principal components, then k-means (vq, rvq, pq).",
        "",
        "  submit/squeeze train --embeddings emb/pets --quantizer_type vq --epochs 10",
        "  submit/squeeze train --input table.parquet --vector_col v --id_col id --head none",
        "");
  }

  private static CommandLine baseline() {
    return command(
        "baseline",
        join(join(Flag.TRAINING, Flag.EXTRACTION), Flag.COMPUTE),
        arguments -> {
          Settings settings =
              arguments.settings(
                  Map.of(
                      "quantizer.type", "none", "output.experiment-name", "segmentation_baseline"));
          Console.result(
              "Checkpoint: "
                  + TrainJob.run(Sessions.start("baseline", settings.compute()), settings));
        },
        spec -> Arguments.declareSwitches(spec, false),
        "The segmentation head alone, on embeddings as they are.",
        "",
        "What a quantizer is compared with. The run is called segmentation_baseline unless",
        "--experiment_name says otherwise.",
        "",
        "  submit/squeeze baseline --embeddings emb/pets --epochs 10",
        "");
  }

  private static CommandLine grid() {
    List<Flag> flags =
        join(join(join(Flag.TRAINING, Flag.QUANTIZER), Flag.EXTRACTION), Flag.COMPUTE);
    // Each run is called by what it varies.
    flags.removeAll(List.of(Flag.EXPERIMENT_NAME, Flag.TASK_NAME));
    return command(
        "grid",
        flags,
        arguments -> {
          String path = arguments.own(GRID);
          GridJob.File file = GridJob.File.parse(path, Arguments.text(path, GRID));
          Settings settings = arguments.settings(file.base());
          int parallel = (int) number(arguments, "--parallel", 1, 1, 1024);
          String split = arguments.own(RANK_BY, "test");
          SparkSession spark = Sessions.startFair("grid", settings.compute());
          new GridJob(spark, file, settings, split, parallel).run();
        },
        spec -> {
          Arguments.declare(spec, GRID, "FILE", true, "Lists of settings, in HOCON.");
          Arguments.declare(spec, "--parallel", "N", false, "Runs at a time. Default: 1.");
          Arguments.declare(
              spec, RANK_BY, "SPLIT", false, "The split that runs are ranked by. Default: test.");
          Arguments.declareSwitches(spec, true);
        },
        "Many trainings over one extraction, and their ranking.",
        "",
        "Each run is a folder in OUTPUT_DIR/NAME/, where NAME is the file's. Finished runs are found",
        "when the grid is run again, failed ones are tried again. Writes results.csv,",
        "results.parquet (runs that differ in their seed alone are one row), runs.csv and the",
        "picture rate_distortion.png, .svg. conf/grids/ holds examples.",
        "",
        "  submit/squeeze grid --grid conf/grids/quantizers.conf --embeddings emb/pets --parallel 2",
        "");
  }

  private static CommandLine evaluate() {
    return command(
        "evaluate",
        Flag.COMPUTE,
        arguments -> {
          Settings settings = arguments.settings(Map.of());
          if (vectors(arguments)) {
            SparkSession spark = Sessions.start("evaluate", settings.compute());
            new EvaluateVectorsJob(
                    spark, table(spark, arguments), arguments.own(CHECKPOINT), arguments.own(BEAM))
                .run();
            return;
          }
          String split = arguments.own(SPLIT, "test");
          new EvaluateJob(
                  Sessions.start("evaluate", settings.compute()),
                  arguments.own(CHECKPOINT),
                  arguments.own(BASELINE_CHECKPOINT),
                  arguments.own(EMBEDDINGS),
                  split,
                  arguments.own(BEAM))
              .run();
        },
        spec -> {
          Arguments.declare(spec, CHECKPOINT, "FILE", true, "Checkpoint of a run.");
          declareBeam(spec);
          Arguments.declare(
              spec, BASELINE_CHECKPOINT, "FILE", false, "Checkpoint of a baseline, to compare.");
          Arguments.declare(
              spec, SPLIT, "NAME", false, "test, trainval, train or val. Default: test.");
          Arguments.declare(spec, EMBEDDINGS, "PATH", false, "Default: those of the run.");
          declareTable(spec);
        },
        "What every sample kept (IoU) and what it cost (bytes).",
        "",
        "Writes per_sample.parquet and summary.json to evaluation/SPLIT/ beside the checkpoint. With",
        "--input, of a table of vectors: squared error, cosine similarity and recall@10.",
        "",
        "  submit/squeeze evaluate --checkpoint outputs/vq_squeeze/last.ckpt \\",
        "      --baseline_checkpoint outputs/segmentation_baseline/last.ckpt",
        "");
  }

  private static CommandLine encode() {
    return command(
        "encode",
        Flag.COMPUTE,
        arguments -> {
          Settings settings = arguments.settings(Map.of());
          String embeddings = arguments.own(EMBEDDINGS);
          boolean vectors = vectors(arguments);
          if (vectors == (embeddings != null)) {
            throw SqueezeException.usage(
                "encode takes " + EMBEDDINGS + ", or the vectors of a table (" + INPUT + ")");
          }
          SparkSession spark = Sessions.start("encode", settings.compute());
          Encoder encoder = encoder(spark, arguments);
          String codec = arguments.own(CODEC, Coding.ARRAY);
          Console.result(
              "Codes: "
                  + (vectors
                          ? new EncodeVectorsJob(spark, table(spark, arguments), encoder, codec)
                              .run()
                          : new EncodeJob(spark, embeddings, encoder, codec).run())
                      .path());
        },
        spec -> {
          Arguments.declare(spec, EMBEDDINGS, "PATH", false, "What is encoded.");
          Arguments.declare(spec, CHECKPOINT, "FILE", true, "Checkpoint of a run.");
          Arguments.declare(
              spec, CODES, "PATH", true, "Data set of codes; its versions lie below.");
          Arguments.declare(
              spec,
              CODEC,
              "NAME",
              false,
              "array (any engine reads it), packed or entropy (binary). Default: array.");
          declareBeam(spec);
          declareTable(spec);
        },
        "Embeddings, or the vectors of a table, to codes.",
        "",
        "Publishes codes/ and codebook/ as Parquet in PATH/v1, and says what the codes take: at a fixed",
        "width (nominal, packed), by their entropy, stored in Parquet, and with the codebook (amortized).",
        "",
        "  submit/squeeze encode --embeddings emb/pets --checkpoint outputs/vq_squeeze/last.ckpt \\",
        "      --codes codes/pets",
        "  submit/squeeze encode --input table.parquet --vector_col v --id_col id \\",
        "      --checkpoint outputs/vq_squeeze/last.ckpt --codes codes/table",
        "");
  }

  private static Encoder encoder(SparkSession spark, Arguments arguments) throws IOException {
    return Encoder.open(
        new HadoopStorage(spark),
        arguments.own(CODES),
        arguments.own(CHECKPOINT),
        arguments.own(BEAM));
  }

  private static CommandLine decode() {
    return command(
        "decode",
        Flag.COMPUTE,
        arguments -> {
          Settings settings = arguments.settings(Map.of());
          SparkSession spark = Sessions.start("decode", settings.compute());
          DecodeJob job =
              new DecodeJob(
                  spark,
                  arguments.own(CODES),
                  arguments.own(CHECKPOINT),
                  arguments.own(EMBEDDINGS),
                  arguments.own(MASKS));
          Console.result("Embeddings: " + job.run().path());
        },
        spec -> {
          Arguments.declare(spec, CODES, "PATH", true, "Data set of codes.");
          Arguments.declare(
              spec, CHECKPOINT, "FILE", false, "Refuse codes that this one did not give.");
          Arguments.declare(
              spec, EMBEDDINGS, "PATH", true, "Data set to write; its versions lie below.");
          Arguments.declare(
              spec, MASKS, "PATH", false, "Embeddings to take masks from. Default: no masks.");
        },
        "Codes to embeddings, as the quantizer reconstructs them.",
        "",
        "Publishes embeddings in float32 in PATH/v1; the quantizer lies beside the codes.",
        "",
        "  submit/squeeze decode --codes codes/pets --embeddings emb/pets_decoded --masks emb/pets",
        "");
  }

  private static CommandLine query() {
    return command(
        "query",
        Flag.COMPUTE,
        arguments -> {
          Settings settings = arguments.settings(Map.of());
          String sql = arguments.own(SQL);
          String file = arguments.own(FILE);
          if (sql != null && file != null) {
            throw SqueezeException.usage("Give " + SQL + " or " + FILE + ", not both");
          }
          String text = file == null ? sql : Arguments.text(file, FILE);
          QueryJob.Format format = QueryJob.Format.named(arguments.own("--format", "table"));
          SparkSession spark = Sessions.start("query", settings.compute());
          QueryJob job =
              new QueryJob(
                  spark, arguments.own("--workspace", "."), format, arguments.own("--out"));
          if (text == null) {
            job.describe();
          } else {
            job.run(text);
          }
        },
        spec -> {
          Arguments.declare(spec, SQL, "TEXT", false, "A statement. Without any: the views.");
          Arguments.declare(
              spec, FILE, "FILE", false, "Statements that end with ; at the end of a line.");
          Arguments.declare(
              spec,
              "--workspace",
              "FOLDER",
              false,
              "What lies below it is in the views. Default: this folder.");
          Arguments.declare(
              spec, "--format", "NAME", false, "table, csv, json or parquet. Default: table.");
          Arguments.declare(
              spec,
              "--out",
              "PATH",
              false,
              "File, or folder of Parquet. Default: standard output.");
        },
        "Spark SQL over embeddings, codes and results.",
        "",
        "Views: embeddings, patches (a row a vector), codes, codebook, samples (a row a photo and",
        "evaluation), rejects, runs. Functions: cosine_similarity, l2_distance, embedding_to_array,",
        "embedding_at, encode_vector, decode_codes, unpack_codes, code_distance, code_histogram, iou;",
        "--sql 'DESCRIBE FUNCTION EXTENDED iou' explains one.",
        "",
        "  submit/squeeze query --sql 'SELECT run, miou, bits_per_vector FROM runs ORDER BY miou DESC'",
        "");
  }

  private static void declareBeam(CommandSpec spec) {
    Arguments.declare(
        spec,
        BEAM,
        "N",
        false,
        "Codes that rvq keeps open at a level. Default: as it was trained.");
  }

  private static void declareTable(CommandSpec spec) {
    Arguments.declare(
        spec, INPUT, "TABLE", false, "Parquet with a column of vectors, read as it is.");
    Arguments.declare(
        spec, VECTOR_COL, "NAME", false, "Its vectors: array<float>, array<double> or Vector.");
    Arguments.declare(spec, ID_COL, "NAME", false, "What names its rows.");
  }

  /** Whether a command is about a table of vectors, with all that this takes. */
  private static boolean vectors(Arguments arguments) {
    List<String> missing = new ArrayList<>(List.of(INPUT, VECTOR_COL, ID_COL));
    missing.removeIf(name -> arguments.own(name) != null);
    if (missing.size() == 3) {
      return false;
    }
    if (!missing.isEmpty()) {
      throw SqueezeException.usage(
          INPUT + ", " + VECTOR_COL + " and " + ID_COL + " go together: set " + missing.get(0));
    }
    return true;
  }

  private static VectorTable table(SparkSession spark, Arguments arguments) throws IOException {
    return VectorTable.open(
        spark, arguments.own(INPUT), arguments.own(VECTOR_COL), arguments.own(ID_COL));
  }

  private static CommandLine visualize() {
    List<Flag> flags =
        join(
            List.of(
                Flag.N_BEST,
                Flag.N_WORST,
                Flag.N_CHANGED,
                Flag.N_RANDOM,
                Flag.SEED,
                Flag.OUTLINES,
                Flag.PICTURE_DIR),
            Flag.COMPUTE);
    return command(
        "visualize",
        flags,
        arguments -> {
          Settings settings = arguments.settings(Map.of());
          String split = arguments.own("--dataset_split", "test");
          new VisualizeJob(
                  Sessions.start("visualize", settings.compute()),
                  arguments.own("--vq_checkpoint"),
                  arguments.own(BASELINE_CHECKPOINT),
                  arguments.own(EMBEDDINGS),
                  arguments.own("--data_path"),
                  split,
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
        "Evaluates the split as evaluate does, and ranks by that: the best, the worst, those that lost",
        "most against the baseline, some by seed. Columns: photo, ground truth, baseline, quantized, IoU.",
        "Only drawn samples reach the driver.",
        "",
        "  submit/squeeze visualize --vq_checkpoint outputs/vq_squeeze/last.ckpt \\",
        "      --baseline_checkpoint outputs/segmentation_baseline/last.ckpt",
        "");
  }
}
