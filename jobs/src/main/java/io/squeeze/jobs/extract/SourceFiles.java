package io.squeeze.jobs.extract;

import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.lit;
import static org.apache.spark.sql.functions.not;
import static org.apache.spark.sql.functions.regexp_extract;

import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.publish.Columns;
import io.squeeze.jobs.publish.DataFile;
import io.squeeze.jobs.publish.ParquetFile;
import io.squeeze.jobs.publish.Place;
import io.squeeze.jobs.publish.Tables;
import io.squeeze.jobs.publish.Versions.Published;
import io.squeeze.jobs.spark.SqueezeSession;
import io.squeeze.jobs.storage.HadoopStorage;
import io.squeeze.jobs.storage.TableFile;
import io.squeeze.storage.Storage;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.nio.file.NoSuchFileException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.Optional;
import org.apache.parquet.example.data.Group;
import org.apache.spark.TaskContext;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Encoders;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.types.StructType;
import org.apache.spark.storage.StorageLevel;

/**
 * The files that samples come from, with the size and time of change that their folders list: what
 * tells that a photo, a mask or a table was replaced under its old name. A version keeps the table
 * in {@code _sources}; engines leave out what begins with {@code _}.
 */
final class SourceFiles implements AutoCloseable {
  static final String FOLDER = "_sources";

  /** Rows of a file of the table: it is small. */
  private static final long ROWS_PER_FILE = 2_000_000;

  private static final StructType STATE =
      new StructType().add("path", "string").add("bytes", "long").add("modified", "long");

  private final SqueezeSession session;
  private final Dataset<Row> states;
  private final Dataset<Row> rows;
  private final boolean bySample;

  private SourceFiles(
      SqueezeSession session, Dataset<Row> states, Dataset<Row> rows, boolean bySample) {
    this.states = states;
    this.session = session;
    this.rows = rows;
    this.bySample = bySample;
  }

  /** Of the samples that lists name: each folder that they name is listed in a task. */
  static SourceFiles ofSamples(SqueezeSession session, Dataset<Row> listed, String root) {
    HadoopStorage storage = session.storage();
    Dataset<Row> folders =
        listed
            .select(folder(col(Listing.IMAGE)).as("folder"))
            .union(listed.where("mask != ''").select(folder(col(Columns.MASK)).as("folder")))
            .distinct();
    Dataset<Row> states =
        session
            .spark()
            .createDataFrame(
                folders
                    .as(Encoders.STRING())
                    .toJavaRDD()
                    .flatMap(folder -> states(storage, root, folder)),
                STATE)
            .persist(StorageLevel.MEMORY_AND_DISK());
    Dataset<Row> rows =
        listed
            .join(
                named(states, "image_path", Columns.IMAGE_FILE_BYTES, Columns.IMAGE_FILE_MODIFIED),
                col(Listing.IMAGE).equalTo(col("image_path")),
                "left")
            .join(
                named(states, "mask_path", Columns.MASK_FILE_BYTES, Columns.MASK_FILE_MODIFIED),
                col(Columns.MASK).equalTo(col("mask_path")),
                "left")
            .select(columns());
    return new SourceFiles(session, states, rows.persist(StorageLevel.MEMORY_AND_DISK()), true);
  }

  /** Of the files of a table. */
  static SourceFiles ofTable(SqueezeSession session, List<TableFile> files) {
    List<Row> states = new ArrayList<>();
    files.forEach(
        file -> states.add(RowFactory.create(file.path(), file.bytes(), file.modified())));
    Dataset<Row> rows =
        session
            .spark()
            .createDataFrame(states, STATE)
            .select(
                col("path").as(Columns.SAMPLE_ID),
                lit(-1).as(Columns.SPLIT_INDEX),
                col("bytes").as(Columns.IMAGE_FILE_BYTES),
                col("modified").as(Columns.IMAGE_FILE_MODIFIED),
                lit(null).cast("long").as(Columns.MASK_FILE_BYTES),
                lit(null).cast("long").as(Columns.MASK_FILE_MODIFIED));
    return new SourceFiles(session, rows, rows, false);
  }

  private static Column[] columns() {
    return Arrays.stream(Columns.sources().schema().fieldNames())
        .map(name -> col(name))
        .toArray(Column[]::new);
  }

  private static Column folder(Column path) {
    return regexp_extract(path, "^(.*)/[^/]*$", 1);
  }

  private static Dataset<Row> named(
      Dataset<Row> states, String path, String bytes, String modified) {
    return states.select(
        col("path").as(path), col("bytes").as(bytes), col("modified").as(modified));
  }

  /** The files of a folder, by the paths that lists give them. */
  private static Iterator<Row> states(HadoopStorage storage, String root, String folder)
      throws IOException {
    boolean whole = folder.contains(":") || folder.startsWith("/");
    String path = whole ? folder : folder.isEmpty() ? root : Storage.join(root, folder);
    String before = folder.isEmpty() ? "" : folder + "/";
    try {
      return storage
          .states(path)
          .map(
              file -> {
                String name = file.path().substring(file.path().lastIndexOf('/') + 1);
                return RowFactory.create(before + name, file.bytes(), file.modified());
              })
          .iterator();
    } catch (FileNotFoundException | NoSuchFileException e) {
      return List.<Row>of().iterator(); // its photos are rejects
    }
  }

  @Override
  public void close() {
    rows.unpersist();
    states.unpersist();
  }

  /** Equal for equal files. */
  String fingerprint() {
    return rows.agg(Tables.fingerprint(columns())).head().getString(0);
  }

  /**
   * The rows of an earlier table whose files are others now. A photo that is gone has not changed:
   * its features stay.
   */
  private Dataset<Row> changed(Dataset<Row> then) {
    if (!bySample) {
      return then.except(rows);
    }
    Dataset<Row> now = rows;
    for (String name : Columns.FILE_STATES) {
      now = now.withColumnRenamed(name, "now_" + name);
    }
    Column other = lit(false);
    for (String[] file :
        new String[][] {
          {Columns.IMAGE_FILE_BYTES, Columns.IMAGE_FILE_MODIFIED},
          {Columns.MASK_FILE_BYTES, Columns.MASK_FILE_MODIFIED}
        }) {
      Column same =
          col("now_" + file[0])
              .eqNullSafe(col(file[0]))
              .and(col("now_" + file[1]).eqNullSafe(col(file[1])));
      other = other.or(col("now_" + file[0]).isNotNull().and(not(same)));
    }
    return then.join(now, new String[] {Columns.SAMPLE_ID, Columns.SPLIT_INDEX}, "inner")
        .where(other)
        .select(columns());
  }

  /** Writes the table into a place, in tasks; the files that it takes. */
  List<DataFile> write(String place, long samples) throws IOException {
    HadoopStorage storage = session.storage();
    storage.delete(Storage.join(place, FOLDER));
    return rows.repartition((int) (1 + samples / ROWS_PER_FILE), col(Columns.SAMPLE_ID))
        .sortWithinPartitions(Columns.SAMPLE_ID, Columns.SPLIT_INDEX)
        .toJavaRDD()
        .mapPartitions(part -> written(storage, place, part).stream().iterator())
        .collect();
  }

  /** A file of its own for each attempt: only the one that ends well is in the manifest. */
  private static Optional<DataFile> written(HadoopStorage storage, String place, Iterator<Row> rows)
      throws IOException {
    if (!rows.hasNext()) {
      return Optional.empty();
    }
    TaskContext task = TaskContext.get();
    String name =
        "%s/part-%05d-%d.parquet".formatted(FOLDER, task.partitionId(), task.taskAttemptId());
    ParquetFile file =
        new ParquetFile(storage, Storage.join(place, name), Columns.sources().message("sources"));
    try (file) {
      while (rows.hasNext()) {
        Row row = rows.next();
        Group group = file.row();
        group.add(Columns.SAMPLE_ID, row.getString(0));
        group.add(Columns.SPLIT_INDEX, row.getInt(1));
        for (int i = 0; i < Columns.FILE_STATES.size(); i++) {
          if (!row.isNullAt(2 + i)) {
            group.add(Columns.FILE_STATES.get(i), row.getLong(2 + i));
          }
        }
        file.write(group);
      }
    }
    return Optional.of(new DataFile(name, file.bytes(), file.rows(), file.sha256()));
  }

  /** Deletes what an earlier run left in a place, if it holds samples whose files changed since. */
  void dropChanged(Place place) throws IOException {
    String earlier = Storage.join(place.rows(), FOLDER);
    if (!session.storage().exists(earlier)) {
      return;
    }
    Dataset<Row> then =
        session
            .spark()
            .read()
            .schema(rows.schema())
            .option("ignoreCorruptFiles", true)
            .parquet(HadoopStorage.literal(earlier))
            .select(columns());
    // A run that was killed leaves files without an end.
    Dataset<Row> written =
        session
            .spark()
            .read()
            .schema(new StructType().add(Columns.SAMPLE_ID, "string"))
            .option("ignoreCorruptFiles", true)
            .option("recursiveFileLookup", true)
            .parquet(HadoopStorage.literal(place.rows()));
    Dataset<Row> changed = changed(then);
    boolean stale =
        bySample
            ? !changed.join(written, new String[] {Columns.SAMPLE_ID}, "left_semi").isEmpty()
            : !changed.isEmpty();
    if (stale) {
      session.reporter().say("Photos changed since an earlier run ended: it begins again");
      session.storage().delete(place.rows());
    }
  }

  /**
   * Compares the files that a version was made from with what lies there now.
   *
   * @throws SqueezeException of category configuration if one of them changed, unless {@code
   *     ignore}
   */
  void check(Published before, boolean ignore) {
    boolean known =
        before.manifest().files().stream().anyMatch(file -> file.path().startsWith(FOLDER + "/"));
    if (!known) {
      session
          .reporter()
          .say(before.path() + " does not say which files it was made from: they are not compared");
      return;
    }
    Dataset<Row> then =
        session
            .spark()
            .read()
            .parquet(HadoopStorage.literal(Storage.join(before.path(), FOLDER)))
            .select(columns());
    Dataset<Row> changed = changed(then);
    if (bySample) {
      Dataset<Row> published = before.read(session.spark()).select(Columns.SAMPLE_ID);
      changed =
          changed
              .join(published, new String[] {Columns.SAMPLE_ID}, "left_semi")
              .select(Columns.SAMPLE_ID)
              .distinct();
    }
    long count = changed.count();
    if (count == 0) {
      return;
    }
    String example = changed.orderBy(Columns.SAMPLE_ID).head().getString(0);
    String sentence =
        "%d %s of %s changed since, such as %s"
            .formatted(
                count, bySample ? "photos or masks" : "files of the table", before.path(), example);
    if (!ignore) {
      throw SqueezeException.configuration(
          sentence
              + ": name another folder with --embeddings or --codes; if only their times changed, set"
              + " extract.changed-files = ignore");
    }
    session.reporter().warn(sentence + "; their rows stay as they are");
  }
}
