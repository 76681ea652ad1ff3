package io.squeeze.jobs.ml;

import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.count;
import static org.apache.spark.sql.functions.length;
import static org.apache.spark.sql.functions.lit;
import static org.apache.spark.sql.functions.min;
import static org.apache.spark.sql.functions.not;

import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.publish.Columns;
import io.squeeze.jobs.publish.DataFile;
import io.squeeze.jobs.publish.Manifest;
import io.squeeze.jobs.publish.Place;
import io.squeeze.jobs.publish.Publisher;
import io.squeeze.jobs.publish.Tables;
import io.squeeze.jobs.publish.VersionTables;
import io.squeeze.jobs.publish.Versions.Published;
import io.squeeze.jobs.spark.JobDescription;
import io.squeeze.jobs.spark.SqueezeSession;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.types.StructType;

/**
 * Rows of a DataFrame as a data set of embeddings: a training reads them several times, continues
 * after a failure, and is evaluated later.
 */
final class SelectedEmbeddings {
  private static final String ROWS = "selected.rows";

  private SelectedEmbeddings() {}

  /**
   * Publishes the rows, or finds that they are there.
   *
   * @param rows with the columns of embeddings
   * @param like embeddings whose rows have the same shape, classes, backbone and crop
   * @param path of the data set to write
   * @throws SqueezeException of category input if a column is missing, of category configuration if
   *     other rows are there
   */
  static Published publish(SqueezeSession session, Dataset<Row> rows, Published like, String path)
      throws IOException {
    Manifest manifest = like.manifest();
    List<String> names =
        Arrays.asList(Columns.embeddings(manifest.columns()).withSplit().fieldNames());
    List<String> missing = new ArrayList<>(names);
    missing.removeAll(Arrays.asList(rows.columns()));
    if (!missing.isEmpty()) {
      throw SqueezeException.input(
          "The rows lack %s: a training takes the columns of embeddings, %s"
              .formatted(missing, names));
    }
    StructType schema = Columns.embeddings(manifest.columns()).withSplit();
    Dataset<Row> selected =
        rows.select(
            Arrays.stream(schema.fields())
                .map(field -> Tables.quoted(field.name()).cast(field.dataType()).as(field.name()))
                .toArray(Column[]::new));
    check(selected, manifest);
    Map<String, String> asked = new TreeMap<>(manifest.settings());
    asked.remove(Manifest.POOL);
    asked.put(ROWS, fingerprint(selected));
    Publisher publisher =
        new Publisher(
            session.storage(), session.reporter(), path, Manifest.EMBEDDINGS, "experimentName");
    return publisher
        .run(
            asked,
            List.of(),
            next -> {
              JobDescription.name(session.spark(), "embeddings " + path, "writing the rows");
              Place place = next.fresh();
              for (String split : manifest.splits()) {
                write(selected, split, manifest, place.rows());
              }
              List<DataFile> files = VersionTables.files(session, place.rows());
              Map<String, Long> counts = VersionTables.rows(manifest.splits(), files);
              return new Publisher.Draft(place, manifest.selected(asked, counts, files), List.of());
            })
        .version();
  }

  /** Refuses rows that a training would leave out, take twice, or take apart wrongly. */
  private static void check(Dataset<Row> rows, Manifest like) {
    Column known = col(Columns.SPLIT).isin(like.splits().toArray());
    Column grid = length(col(Columns.EMBEDDING));
    long values = (long) like.channels() * like.positions();
    Column shaped =
        grid.isin(4 * values, 2 * values)
            .and(length(col(Columns.MASK)).equalTo((long) like.size() * like.size()));
    refuse(
        rows.where(known.isNull().or(not(known))),
        "%d rows are of none of the splits " + like.splits() + ", for instance %s");
    refuse(
        rows.where(shaped.isNull().or(not(shaped))),
        "%d rows have another grid or mask than the embeddings that they should be like, for"
            + " instance %s (setEmbeddings)");
    refuse(
        rows.groupBy(Columns.SAMPLE_ID).count().where("count > 1"),
        "%d ids name several rows, for instance %s");
  }

  private static void refuse(Dataset<Row> rows, String sentence) {
    Row found = rows.agg(count(lit(1)), min(Columns.SAMPLE_ID)).first();
    if (found.getLong(0) > 0) {
      throw SqueezeException.input(sentence.formatted(found.getLong(0), found.getString(1)));
    }
  }

  private static void write(Dataset<Row> rows, String split, Manifest like, String folder) {
    long each = 4L * like.channels() * like.positions() + (long) like.size() * like.size();
    long most = Math.max(1, like.rows().get(split)) * each;
    VersionTables.writeById(
        rows.where(col(Columns.SPLIT).equalTo(split)).drop(Columns.SPLIT), most, folder, split);
  }

  /** Equal for equal rows, in whatever order they come. */
  private static String fingerprint(Dataset<Row> rows) {
    Column[] all = Arrays.stream(rows.columns()).map(Tables::quoted).toArray(Column[]::new);
    Row found = rows.agg(count(lit(1)), Tables.fingerprint(all)).first();
    if (found.getLong(0) == 0) {
      throw SqueezeException.input("There are no rows to train on");
    }
    return found.getLong(0) + ":" + found.getString(1);
  }
}
