package io.squeeze.jobs.extract;

import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.publish.Columns;
import io.squeeze.jobs.publish.DataFile;
import io.squeeze.jobs.publish.ParquetFile;
import io.squeeze.jobs.publish.Place;
import io.squeeze.jobs.spark.SqueezeSession;
import io.squeeze.jobs.storage.HadoopStorage;
import io.squeeze.storage.Storage;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;

/** The table of photos that could not be used, beside the version. */
final class Rejects {
  static final String TABLE = "rejects";

  private static final int SHOWN = 5;

  private final SqueezeSession session;
  private final Place place;
  private final List<FileResult> written;
  private final List<DataFile> files;

  Rejects(SqueezeSession session, Place place, List<FileResult> written) {
    this.session = session;
    this.place = place;
    this.written = written;
    this.files = written.stream().map(FileResult::rejects).filter(Objects::nonNull).toList();
  }

  /** Photos that were rejected. */
  long count() {
    return files.stream().mapToLong(DataFile::rows).sum();
  }

  /**
   * Reports the rejects.
   *
   * @param total photos that were tried
   * @param before number of rows that the version takes from the previous one
   * @param limit largest share of rejects with which a version is still published
   * @throws SqueezeException of category input if there are more, or if the version would be empty
   */
  void check(long total, long before, double limit) throws IOException {
    String folder = place.beside(TABLE);
    place.keepOnly(folder, files);
    if (count() == 0) {
      return;
    }
    Dataset<Row> table =
        session.spark().read().parquet(Storage.join(HadoopStorage.literal(folder), "*.parquet"));
    Map<String, Long> codes = new TreeMap<>();
    table
        .groupBy(Columns.CODE)
        .count()
        .collectAsList()
        .forEach(row -> codes.put(row.getString(0), row.getLong(1)));
    table
        .select(Columns.IMAGE_PATH, Columns.STAGE, Columns.CODE, Columns.MESSAGE)
        .orderBy(Columns.SAMPLE_ID)
        .limit(SHOWN)
        .collectAsList()
        .forEach(row -> session.reporter().say("  rejected: " + row.mkString(", ")));
    String what = count() + " of " + total + " images were rejected " + codes;
    if ((count() == total && before == 0) || count() > limit * (total + before)) {
      tryAgain();
      throw SqueezeException.input(
          String.format(
              "%s, more than data.max-bad-fraction = %s allows; the rejects are listed in %s",
              what, limit, folder));
    }
    session.reporter().warn(what + ": " + place.publishedBeside(TABLE));
  }

  /** The next run goes on with the files that are whole, and tries the rejected photos again. */
  private void tryAgain() throws IOException {
    for (FileResult file : written) {
      if (file.rejects() != null) {
        place.storage().delete(Storage.join(place.rows(), file.rows().path()));
      }
    }
  }

  /** Writes an empty table where nothing was rejected. */
  void complete() throws IOException {
    if (files.isEmpty()) {
      String path = Storage.join(place.beside(TABLE), "none.parquet");
      new ParquetFile(place.storage(), path, Columns.rejects().message("rejects")).close();
    }
  }
}
