package io.squeeze.jobs.cli;

import io.squeeze.config.Settings;
import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.console.Reporter;
import io.squeeze.jobs.encode.DecodeJob;
import io.squeeze.jobs.encode.EncodeJob;
import io.squeeze.jobs.encode.EncodeVectorsJob;
import io.squeeze.jobs.model.TrainedQuantizer;
import io.squeeze.jobs.publish.Versions.Published;
import io.squeeze.jobs.spark.SqueezeSession;
import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import picocli.CommandLine;

/** The commands about codes. */
final class CodeCommands {
  private static final String CODES = "--codes";
  private static final String CHECKPOINT = "--checkpoint";
  private static final String EMBEDDINGS = "--embeddings";
  private static final String CODEC = "--codec";
  private static final String MASKS = "--masks";
  private static final String LEVELS = "--levels";
  private static final String INPUT = "--input";

  private final Reporter reporter;

  CodeCommands(Reporter reporter) {
    this.reporter = reporter;
  }

  CommandLine encode() {
    return Commands.command(
        reporter,
        "encode",
        Commands.join(Flag.COMPUTE, Flag.BAD_ROWS),
        arguments -> {
          Settings settings = arguments.settings(Map.of());
          String embeddings = arguments.own(EMBEDDINGS);
          boolean vectors = Table.given(arguments);
          if (vectors == (embeddings != null)) {
            throw SqueezeException.usage(
                "encode takes " + EMBEDDINGS + ", or the vectors of a table (" + INPUT + ")");
          }
          SqueezeSession session = arguments.start("encode", settings);
          TrainedQuantizer encoder = encoder(session, arguments);
          String codec = arguments.own(CODEC, encoder.usualCodec());
          Published published =
              vectors
                  ? new EncodeVectorsJob(
                          session, Table.of(session, arguments, settings.data()), encoder, codec)
                      .run()
                  : new EncodeJob(session, embeddings, encoder, codec).run();
          return published(arguments, "Codes", published);
        },
        spec -> {
          Arguments.declare(spec, EMBEDDINGS, "PATH", false, "Embeddings to encode.");
          Arguments.declare(spec, CHECKPOINT, "FILE", true, "Checkpoint of a run.");
          Arguments.declare(
              spec, CODES, "PATH", true, "Data set of codes; its versions lie below.");
          Arguments.declare(
              spec,
              CODEC,
              "NAME",
              false,
              "array (any engine reads it), packed or entropy (binary). Default: array; entropy for"
                  + " scalar.");
          Commands.declareBeam(spec);
          Table.declare(spec);
        },
        "Embeddings, or the vectors of a table, to codes.",
        "",
        "Publishes codes/ and codebook/ as Parquet in PATH/v1, and prints the size of the codes:",
        "at a fixed width (nominal, packed), by their entropy, stored in Parquet, and with the",
        "codebook (amortized).",
        "",
        "  submit/squeeze encode --embeddings emb/pets --checkpoint outputs/vq_squeeze/last.ckpt \\",
        "      --codes codes/pets",
        "  submit/squeeze encode --input table.parquet --vector_col v --id_col id \\",
        "      --checkpoint outputs/vq_squeeze/last.ckpt --codes codes/table",
        "");
  }

  CommandLine decode() {
    return Commands.command(
        reporter,
        "decode",
        Flag.COMPUTE,
        arguments -> {
          Settings settings = arguments.settings(Map.of());
          SqueezeSession session = arguments.start("decode", settings);
          DecodeJob job =
              new DecodeJob(
                  session,
                  new DecodeJob.Request(
                      arguments.own(CODES),
                      arguments.own(CHECKPOINT),
                      arguments.own(EMBEDDINGS),
                      arguments.own(MASKS),
                      levels(arguments)));
          return published(arguments, "Embeddings", job.run());
        },
        spec -> {
          Arguments.declare(spec, CODES, "PATH", true, "Data set of codes.");
          Arguments.declare(
              spec, CHECKPOINT, "FILE", false, "Refuse codes that are not of this checkpoint.");
          Arguments.declare(
              spec, EMBEDDINGS, "PATH", true, "Data set to write; its versions lie below.");
          Arguments.declare(
              spec, MASKS, "PATH", false, "Embeddings to take masks from. Default: no masks.");
          Arguments.declare(
              spec, LEVELS, "N", false, "Decode the first levels of rvq alone. Default: all.");
        },
        "Codes to embeddings, as the quantizer reconstructs them.",
        "",
        "Publishes embeddings in float32 in PATH/v1; the quantizer lies beside the codes.",
        "",
        "  submit/squeeze decode --codes codes/pets --embeddings emb/pets_decoded --masks emb/pets",
        "");
  }

  private static Integer levels(Arguments arguments) {
    String text = arguments.own(LEVELS);
    if (text != null && !text.matches("[0-9]{1,4}")) {
      throw SqueezeException.usage(LEVELS + " must be a whole number, not " + text);
    }
    return text == null ? null : Integer.valueOf(text);
  }

  /** The quantizer that options name, with the data set of codes. */
  static TrainedQuantizer encoder(SqueezeSession session, Arguments arguments) throws IOException {
    return TrainedQuantizer.open(
        session.storage(),
        arguments.own(CODES),
        arguments.own(CHECKPOINT),
        arguments.own(Commands.BEAM));
  }

  /** Tells the user about a published version, and returns the result for scripts. */
  static Map<String, Object> published(Arguments arguments, String what, Published published) {
    arguments.reporter().result(what + ": " + published.path());
    Map<String, Object> outcome = new LinkedHashMap<>();
    outcome.put(what.toLowerCase(Locale.ROOT), published.path());
    outcome.put("rows", published.manifest().rows());
    outcome.put("rejected", published.manifest().rejected());
    return outcome;
  }
}
