package io.squeeze.jobs.encode;

import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.lit;
import static org.apache.spark.sql.functions.size;

import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.encode.CodesWriter.Source;
import io.squeeze.jobs.model.TrainedQuantizer;
import io.squeeze.jobs.model.VectorEncoding;
import io.squeeze.jobs.model.VectorTable;
import io.squeeze.jobs.model.VectorTable.Repeated;
import io.squeeze.jobs.publish.Columns;
import io.squeeze.jobs.publish.Manifest;
import io.squeeze.jobs.publish.Versions.Published;
import io.squeeze.jobs.spark.SqueezeSession;
import io.squeeze.jobs.storage.TableFile;
import io.squeeze.train.Checkpoint;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;

/** A table of vectors and a checkpoint to published codes: a vector is a sample of 1 x 1. */
public final class EncodeVectorsJob {
  /** The one split of a table. */
  private static final String ALL = "all";

  private final SqueezeSession session;
  private final VectorTable table;
  private final TrainedQuantizer encoder;
  private final CodesWriter writer;

  /** A job that writes to the data set of codes that {@code encoder} names. */
  public EncodeVectorsJob(
      SqueezeSession session, VectorTable table, TrainedQuantizer encoder, String codec)
      throws IOException {
    this.session = session;
    this.table = table;
    this.encoder = encoder;
    this.writer = new CodesWriter(session, encoder, codec);
    Checkpoint checkpoint = encoder.checkpoint();
    table.check(encoder.path(), checkpoint.settings(), checkpoint.layout().channels());
  }

  /**
   * Publishes a version, or finds that it is there.
   *
   * @throws SqueezeException of category configuration if other codes are there
   */
  public Published run() throws IOException {
    Map<String, String> asked = new TreeMap<>();
    asked.put(Manifest.INPUT, table.source());
    asked.put(Manifest.INPUT_FILES, table.digest());
    Repeated repeated = table.repeated();
    if (repeated.ids() == 0) {
      asked.put(Manifest.INPUT_IDS, table.idType());
    }
    if (table.unit()) {
      asked.put(Manifest.INPUT_UNIT, "true");
    }
    return writer.run(
        new Source(
            asked,
            List.of(Manifest.INPUT_FILES, Manifest.INPUT_IDS, Manifest.INPUT_UNIT),
            (split, before) -> rows(repeated, before),
            table,
            like(table.count()),
            null));
  }

  /** The codes of all rows; those of files that are as they were come from the version before. */
  private Dataset<Row> rows(Repeated repeated, Optional<Published> before) throws IOException {
    if (repeated.ids() > 0) {
      session
          .reporter()
          .warn(repeated.sentence(table.path()) + ": codes cannot be joined to them by id");
    }
    List<TableFile> kept =
        before.isEmpty() || repeated.ids() > 0
            ? List.of()
            : TableInput.unchanged(session.storage(), before.get(), table.files());
    if (kept.isEmpty()) {
      before.ifPresent(
          version ->
              session
                  .reporter()
                  .say(
                      "No file is known to be as it was for "
                          + version.path()
                          + ": all are encoded"));
      return encoded(table.rows());
    }
    List<TableFile> others = new ArrayList<>(table.files());
    others.removeAll(kept);
    Dataset<Row> known =
        before
            .get()
            .read(session.spark())
            .drop(Columns.SPLIT)
            .join(table.ids(kept), new String[] {Columns.SAMPLE_ID}, "left_semi");
    session
        .reporter()
        .say(
            "%d of %d files are as they were for %s: their codes are taken over"
                .formatted(kept.size(), table.files().size(), before.get().path()));
    return others.isEmpty() ? known : known.unionByName(encoded(table.rows(others)));
  }

  private Dataset<Row> encoded(Dataset<Row> vectors) {
    return new VectorEncoding(encoder.checkpoint(), Columns.VECTOR, Columns.CODES, "", "")
        .codes(vectors, Columns.SAMPLE_ID)
        .select(
            col(Columns.SAMPLE_ID),
            lit("").as(Columns.IMAGE_PATH),
            lit(1).as(Columns.HEIGHT),
            lit(1).as(Columns.WIDTH),
            lit(table.channels()).as(Columns.CHANNELS),
            lit(1).as(Columns.GRID_HEIGHT),
            lit(1).as(Columns.GRID_WIDTH),
            lit("float32").as(Columns.DTYPE),
            size(col(Columns.CODES)).as(Columns.LEVELS),
            col(Columns.CODES));
  }

  private Manifest like(long rows) {
    return new Manifest(
        Manifest.SCHEMA_VERSION,
        Manifest.CODES,
        Map.of(),
        "float32",
        null,
        table.path(),
        List.of(),
        List.of(),
        List.of(),
        "",
        List.of(ALL),
        Map.of(ALL, rows),
        0,
        table.channels(),
        1,
        1,
        1,
        null,
        null,
        List.of());
  }
}
