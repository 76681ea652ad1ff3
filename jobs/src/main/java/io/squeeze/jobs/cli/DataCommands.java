package io.squeeze.jobs.cli;

import io.squeeze.config.Settings;
import io.squeeze.config.SqueezeException;
import io.squeeze.dataset.Shapes;
import io.squeeze.jobs.console.Reporter;
import io.squeeze.jobs.doctor.Check;
import io.squeeze.jobs.doctor.DoctorJob;
import io.squeeze.jobs.extract.ExtractJob;
import io.squeeze.jobs.gc.GcJob;
import io.squeeze.jobs.publish.Versions.Published;
import io.squeeze.jobs.query.QueryJob;
import io.squeeze.jobs.spark.SqueezeSession;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import picocli.CommandLine;

/** The commands about photos, embeddings, and the data sets themselves. */
final class DataCommands {
  private static final String CODES = "--codes";
  private static final String CHECKPOINT = "--checkpoint";
  private static final String EMBEDDINGS = "--embeddings";
  private static final String SQL = "--sql";
  private static final String FILE = "--file";

  private final Reporter reporter;

  DataCommands(Reporter reporter) {
    this.reporter = reporter;
  }

  CommandLine synthesize() {
    return Commands.command(
        reporter,
        "synthesize",
        List.of(),
        arguments -> {
          int count = (int) Commands.number(arguments, "--count", 240, 1, 10_000_000);
          long seed = Commands.number(arguments, "--seed", 42, Long.MIN_VALUE, Long.MAX_VALUE);
          Path folder = Path.of(arguments.own("--out"));
          new Shapes(seed).write(folder, count);
          arguments.reporter().result("Written: " + count + " photos with trimaps in " + folder);
          return Map.of("photos", count, "path", folder.toString());
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

  CommandLine extract() {
    List<Flag> flags =
        Commands.join(
            Commands.join(List.of(Flag.EMBEDDINGS, Flag.SEED), Flag.EXTRACTION), Flag.COMPUTE);
    return Commands.command(
        reporter,
        "extract",
        flags,
        arguments -> {
          Settings settings = arguments.settings(Map.of());
          String codes = arguments.own(CODES);
          String checkpoint = arguments.own(CHECKPOINT);
          if ((codes == null) != (checkpoint == null)) {
            throw SqueezeException.usage("--codes and --checkpoint go together");
          }
          SqueezeSession session = arguments.start("extract", settings);
          ExtractJob job =
              codes == null
                  ? new ExtractJob(session, settings)
                  : new ExtractJob(session, settings, CodeCommands.encoder(session, arguments));
          Published published = job.run();
          return CodeCommands.published(
              arguments, codes == null ? "Embeddings" : "Codes", published);
        },
        spec -> {
          Arguments.declare(
              spec, CODES, "PATH", false, "Write codes instead, as versions PATH/v1, …");
          Arguments.declare(
              spec, CHECKPOINT, "FILE", false, "Checkpoint whose quantizer gives the codes.");
          Commands.declareBeam(spec);
        },
        "Images to embeddings: the frozen backbone reads every photo once.",
        "",
        "Publishes the features as Parquet in PATH/v1, with the rejected photos in PATH/rejects/v1.",
        "If this version exists already, extract does nothing. If an earlier run was interrupted,",
        "extract continues it. If the lists name more photos, extract publishes PATH/v2 with them.",
        "",
        "  submit/squeeze extract --model backbone.pt --data_path pets --embeddings emb/pets",
        "  submit/squeeze extract --model backbone.pt --data_path all --codes codes/all \\",
        "      --checkpoint outputs/vq_squeeze/last.ckpt",
        "");
  }

  CommandLine query() {
    return Commands.command(
        reporter,
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
          String usual = arguments.json() ? "json" : "table";
          QueryJob.Format format = QueryJob.Format.named(arguments.own("--format", usual));
          SqueezeSession session = arguments.start("query", settings);
          QueryJob job =
              new QueryJob(
                  session, arguments.own("--workspace", "."), format, arguments.own("--out"));
          if (text == null) {
            job.describe();
          } else {
            job.run(text);
          }
          return null;
        },
        spec -> {
          Arguments.declare(spec, SQL, "TEXT", false, "A statement. Default: list the views.");
          Arguments.declare(
              spec, FILE, "FILE", false, "Statements that end with ; at the end of a line.");
          Arguments.declare(
              spec,
              "--workspace",
              "FOLDER",
              false,
              "The views hold the data below this folder. Default: the current folder.");
          Arguments.declare(
              spec,
              "--format",
              "NAME",
              false,
              "table, csv, json or parquet. Default: table; with --json json, a line a row.");
          Arguments.declare(
              spec,
              "--out",
              "PATH",
              false,
              "File, or folder of Parquet. Default: standard output.");
        },
        "Spark SQL over embeddings, codes and results.",
        "",
        "Views: embeddings, patches (a row a vector), codes, codebook, index and lists, predictions,",
        "samples (a row a photo and evaluation), rejects, runs. Functions: cosine_similarity, l2_distance,",
        "embedding_to_array, embedding_at, encode_vector, decode_codes, unpack_codes, code_distance,",
        "code_cosine_similarity, symmetric_code_distance, code_histogram, iou;",
        "--sql 'DESCRIBE FUNCTION EXTENDED iou' explains one.",
        "",
        "  submit/squeeze query --sql 'SELECT run, miou, bits_per_vector FROM runs ORDER BY miou DESC'",
        "");
  }

  CommandLine gc() {
    return Commands.command(
        reporter,
        "gc",
        List.of(),
        arguments -> {
          Settings settings = arguments.settings(Map.of());
          int keep = (int) Commands.number(arguments, "--keep", 1, 1, 1_000_000);
          SqueezeSession session = arguments.start("gc", settings);
          return new GcJob(
                  session.storage(),
                  session.reporter(),
                  arguments.own("--path"),
                  keep,
                  arguments.given("--delete"))
              .run();
        },
        spec -> {
          Arguments.declare(
              spec, "--path", "PATH", true, "Data set of embeddings or codes, above its versions.");
          Arguments.declare(
              spec, "--keep", "N", false, "Published versions that stay, the newest. Default: 1.");
          Arguments.switchOption(spec, "--delete", "Deletes. Without it: says what would go.");
        },
        "Removes old versions and what killed jobs left unfinished.",
        "",
        "Without --delete, gc only prints what it would remove. It never removes the current",
        "version. It also removes an unfinished extraction, which extract could still continue.",
        "",
        "  submit/squeeze gc --path emb/pets",
        "  submit/squeeze gc --path emb/pets --keep 2 --delete",
        "");
  }

  CommandLine doctor() {
    return Commands.command(
        reporter,
        "doctor",
        Flag.COMPUTE,
        arguments -> {
          Settings settings = arguments.settings(Map.of());
          SqueezeSession session = arguments.start("doctor", settings);
          List<Check> checks =
              new DoctorJob(session, arguments.own("--output_dir"), arguments.own(EMBEDDINGS))
                  .run();
          arguments.reporter().outcome(checks);
          DoctorJob.judge(checks);
          return null;
        },
        spec -> {
          Arguments.declare(
              spec, "--output_dir", "PATH", false, "Output of jobs; doctor tests it with a file.");
          Arguments.declare(
              spec,
              EMBEDDINGS,
              "PATH",
              false,
              "Input of jobs: doctor computes how much memory they need.");
        },
        "Checks the driver and the executors before a long job starts.",
        "",
        "Java, Spark, libtorch and how long it takes to load, devices, memory, disks, fonts, clocks, and",
        "whether every executor can publish on the output path. Exit code 5 if something would fail.",
        "",
        "  submit/squeeze --master yarn --num-executors 8 doctor --output_dir hdfs:///runs",
        "");
  }
}
