package io.squeeze.jobs.extract;

import static org.apache.spark.sql.functions.coalesce;
import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.count;
import static org.apache.spark.sql.functions.lit;
import static org.apache.spark.sql.functions.row_number;
import static org.apache.spark.sql.functions.udf;
import static org.apache.spark.sql.functions.xxhash64;

import io.squeeze.config.SqueezeException;
import io.squeeze.dataset.Cut;
import io.squeeze.dataset.SegmentationDataset;
import io.squeeze.dataset.SegmentationDataset.Sample;
import io.squeeze.jobs.publish.Columns;
import io.squeeze.jobs.publish.ForeignTable;
import io.squeeze.jobs.publish.Manifest;
import io.squeeze.jobs.publish.SplitAssigner;
import io.squeeze.jobs.publish.TableColumn;
import io.squeeze.jobs.publish.Tables;
import io.squeeze.jobs.spark.SqueezeSession;
import io.squeeze.storage.Storage;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.apache.spark.TaskContext;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Encoders;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.api.java.UDF2;
import org.apache.spark.sql.expressions.Window;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructField;
import org.apache.spark.sql.types.StructType;
import org.apache.spark.util.TaskCompletionListener;

/** The samples that a data set's lists name, as a table that no single machine holds. */
final class Listing {
  private static final String PHOTOS = "photos";
  static final String ORDINAL = "ordinal";
  static final String IMAGE = "image";
  static final String DUPLICATE = "duplicate";

  /** The files themselves, where a table holds them; columns of a table's rows alone. */
  static final String IMAGE_BYTES = "image_bytes";

  static final String MASK_BYTES = "mask_bytes";

  /** Position of the first of the data set's own columns in a row. */
  static final int DESCRIBED = 5;

  private final SqueezeSession session;
  private final SparkSession spark;
  private final SegmentationDataset dataset;
  private final Storage storage;
  private final String root;
  private final Integer photos;
  private final long seed;
  private Map<Integer, Long> last;
  private ForeignTable opened;

  /**
   * The lists of a data set.
   *
   * @param photos of each split that are taken, the first by hashed id; null for all
   */
  Listing(
      SqueezeSession session,
      SegmentationDataset dataset,
      Storage storage,
      String root,
      Integer photos,
      long seed) {
    this.photos = photos;
    this.seed = seed;
    this.session = session;
    this.spark = session.spark();
    this.dataset = dataset;
    this.storage = storage;
    this.root = root;
  }

  /**
   * What a listing amounts to.
   *
   * @param rows listed samples by the index of their split
   * @param fingerprint equal for equal lists
   */
  record Summary(Map<Integer, Long> rows, String fingerprint) {
    long total() {
      return rows.values().stream().mapToLong(Long::longValue).sum();
    }
  }

  /** A row for each listed sample; duplicates of an id are marked, the first one is not. */
  Dataset<Row> rows() throws IOException {
    var byId = Window.partitionBy(Columns.SAMPLE_ID).orderBy(Columns.SPLIT_INDEX, ORDINAL);
    return listed(true).withColumn(DUPLICATE, row_number().over(byId).gt(1));
  }

  private Dataset<Row> listed(boolean bytes) throws IOException {
    Dataset<Row> all = lines(bytes);
    if (photos == null) {
      return all;
    }
    if (last == null) {
      last = lastPlaces(all);
    }
    long salt = seed;
    Map<Integer, Long> limits = last;
    UDF2<Integer, String, Boolean> taken =
        (split, id) ->
            !limits.containsKey(split) || Cut.place(salt, PHOTOS, id) <= limits.get(split);
    return all.where(
        udf(taken, DataTypes.BooleanType).apply(col(Columns.SPLIT_INDEX), col(Columns.SAMPLE_ID)));
  }

  /** The last place that is taken, for each split with more samples than are asked for. */
  private Map<Integer, Long> lastPlaces(Dataset<Row> all) {
    long salt = seed;
    Map<Integer, Long> places = new TreeMap<>();
    for (int split = 0; split < dataset.splits().size(); split++) {
      JavaRDD<Long> own =
          all.where(col(Columns.SPLIT_INDEX).equalTo(split))
              .select(Columns.SAMPLE_ID)
              .as(Encoders.STRING())
              .toJavaRDD()
              .map(id -> Cut.place(salt, PHOTOS, id));
      List<Long> found = SplitAssigner.placesAt(own, Set.of(photos - 1L));
      if (!found.isEmpty()) {
        places.put(split, found.get(0));
      }
    }
    // A plain map: it travels with the tasks.
    return new HashMap<>(places);
  }

  private Dataset<Row> lines(boolean bytes) throws IOException {
    SegmentationDataset.Table table = dataset.table().orElse(null);
    return table == null ? fileLines() : tableLines(table, bytes);
  }

  /** The rows of a table in the order of their ids, which decides where each will lie. */
  private Dataset<Row> tableLines(SegmentationDataset.Table table, boolean bytes)
      throws IOException {
    Dataset<Row> rows = opened(table).rows();
    if (!rows.where(Tables.quoted(table.id()).isNull()).isEmpty()) {
      throw SqueezeException.input(
          "The column %s of %s holds nulls (--dataset): filter them out"
              .formatted(table.id(), path(table)));
    }
    List<Column> columns = new ArrayList<>();
    columns.add(lit(0L).as(ORDINAL));
    columns.add(Tables.id(rows, table.id()).as(Columns.SAMPLE_ID));
    columns.add(pathOf(rows, table.image(), table.id()).as(IMAGE));
    columns.add(pathOf(rows, table.mask(), table.id()).as(Columns.MASK));
    dataset
        .columns()
        .forEach(c -> columns.add(Tables.quoted(c.name()).cast("string").as(c.name())));
    List<Column> order =
        new ArrayList<>(List.of(col(Columns.SAMPLE_ID), col(IMAGE), col(Columns.MASK)));
    addBytes(rows, table.image(), IMAGE_BYTES, bytes, columns, order);
    addBytes(rows, table.mask(), MASK_BYTES, bytes, columns, order);
    Dataset<Row> all = null;
    for (int i = 0; i < dataset.splits().size(); i++) {
      columns.add(0, lit(i).as(Columns.SPLIT_INDEX));
      Dataset<Row> own =
          (table.split() == null
                  ? rows
                  : rows.where(Tables.quoted(table.split()).equalTo(dataset.splits().get(i))))
              .select(columns.toArray(Column[]::new));
      columns.remove(0);
      JavaRDD<Row> ranked =
          own.orderBy(order.toArray(Column[]::new))
              .toJavaRDD()
              .zipWithIndex()
              .map(r -> withOrdinal(r._1(), r._2()));
      Dataset<Row> numbered = spark.createDataFrame(ranked, own.schema());
      all = all == null ? numbered : all.union(numbered);
    }
    return all;
  }

  private static Row withOrdinal(Row row, long ordinal) {
    Object[] values = new Object[row.size()];
    for (int i = 0; i < values.length; i++) {
      values[i] = i == 1 ? ordinal : row.get(i);
    }
    return RowFactory.create(values);
  }

  /**
   * The name of a file: its path. If the table holds the file itself and has no path, it is the
   * sample's id. Without a file it is empty.
   */
  private static Column pathOf(Dataset<Row> rows, String column, String id) {
    if (column == null) {
      return lit("");
    }
    Column named = Tables.id(rows, id);
    return Tables.path(rows, column)
        .map(path -> Tables.bytes(rows, column).isEmpty() ? path : coalesce(path, named))
        .map(path -> coalesce(path, lit("")))
        .orElse(coalesce(named, lit("")));
  }

  /**
   * Adds a column if it holds bytes and the caller asks for them. The hash of the bytes decides the
   * order of rows with equal ids.
   */
  private static void addBytes(
      Dataset<Row> rows,
      String column,
      String name,
      boolean asked,
      List<Column> columns,
      List<Column> order) {
    if (asked && column != null) {
      Tables.bytes(rows, column)
          .ifPresent(
              bytes -> {
                columns.add(bytes.as(name));
                order.add(xxhash64(col(name)));
              });
    }
  }

  /** The table that holds the photos themselves; null where they are files. */
  Manifest.PhotoTable photoTable() throws IOException {
    SegmentationDataset.Table table = dataset.table().orElse(null);
    if (table == null) {
      return null;
    }
    return Tables.bytes(opened(table).rows(), table.image()).isEmpty()
        ? null
        : new Manifest.PhotoTable(path(table), table.id(), table.image());
  }

  /** The table, whose footers are read once. */
  private ForeignTable opened(SegmentationDataset.Table table) throws IOException {
    if (opened == null) {
      List<String> named = new ArrayList<>(List.of(table.id(), table.image()));
      dataset.columns().forEach(c -> named.add(c.name()));
      Stream.of(table.mask(), table.split()).filter(Objects::nonNull).forEach(named::add);
      opened = ForeignTable.open(session, path(table), "--dataset", named);
    }
    return opened;
  }

  private String path(SegmentationDataset.Table table) {
    return table.path().contains(":") || table.path().startsWith("/")
        ? table.path()
        : Storage.join(root, table.path());
  }

  private Dataset<Row> fileLines() {
    // Locals: a task needs the data set and the storage, not the session.
    SegmentationDataset source = dataset;
    Storage files = storage;
    String folder = root;
    List<String> splits = dataset.splits();
    List<Integer> indices = IntStream.range(0, splits.size()).boxed().toList();
    JavaRDD<Row> lines =
        JavaSparkContext.fromSparkContext(spark.sparkContext())
            .parallelize(indices, splits.size())
            .flatMap(i -> lines(source, files, folder, splits.get(i), i));
    return spark.createDataFrame(lines, schema(source));
  }

  private static Iterator<Row> lines(
      SegmentationDataset source, Storage files, String root, String split, int index) {
    Stream<Sample> samples;
    try {
      samples = source.samples(files, root, split);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    TaskContext.get()
        .addTaskCompletionListener((TaskCompletionListener) context -> samples.close());
    long[] ordinal = {0};
    return samples.map(sample -> row(index, ordinal[0]++, sample)).iterator();
  }

  private static Row row(int split, long ordinal, Sample sample) {
    List<Object> values = new ArrayList<>();
    values.add(split);
    values.add(ordinal);
    values.add(sample.id());
    values.add(sample.image());
    values.add(sample.mask());
    values.addAll(sample.values());
    return RowFactory.create(values.toArray());
  }

  private static StructType schema(SegmentationDataset dataset) {
    List<StructField> fields = new ArrayList<>();
    fields.add(DataTypes.createStructField(Columns.SPLIT_INDEX, DataTypes.IntegerType, false));
    fields.add(DataTypes.createStructField(ORDINAL, DataTypes.LongType, false));
    fields.add(TableColumn.text(Columns.SAMPLE_ID).field());
    fields.add(TableColumn.text(IMAGE).field());
    fields.add(TableColumn.text(Columns.MASK).field());
    Columns.described(dataset.columns()).forEach(column -> fields.add(column.field()));
    return new StructType(fields.toArray(StructField[]::new));
  }

  /** The files that the samples come from. */
  SourceFiles sources() throws IOException {
    SegmentationDataset.Table table = dataset.table().orElse(null);
    return table == null
        ? SourceFiles.ofSamples(session, listed(false), root)
        : SourceFiles.ofTable(session, opened(table).files());
  }

  /** Counts the samples, with a sum of row hashes that no order of reading changes. */
  Summary summary() throws IOException {
    Dataset<Row> listed = listed(false);
    var all = java.util.Arrays.stream(listed.columns()).map(c -> col(c)).toList();
    List<Row> counts =
        listed
            .groupBy(Columns.SPLIT_INDEX)
            .agg(count(lit(1)), Tables.fingerprint(all.toArray(Column[]::new)))
            .orderBy(Columns.SPLIT_INDEX)
            .collectAsList();
    Map<Integer, Long> rows = new TreeMap<>();
    StringBuilder fingerprint = new StringBuilder();
    for (Row row : counts) {
      rows.put(row.getInt(0), row.getLong(1));
      fingerprint.append(row.getLong(1)).append(':').append(row.getString(2)).append(' ');
    }
    return new Summary(rows, fingerprint.toString().strip());
  }

  /** The image files that no list names. */
  Dataset<Row> unlisted() throws IOException {
    SegmentationDataset source = dataset;
    Storage files = storage;
    String folder = root;
    Dataset<Row> lying =
        spark
            .createDataset(
                JavaSparkContext.fromSparkContext(spark.sparkContext())
                    .parallelize(List.of(0), 1)
                    .flatMap(i -> images(source, files, folder))
                    .rdd(),
                Encoders.STRING())
            .toDF(IMAGE);
    return lying.except(lines(false).select(IMAGE)).orderBy(IMAGE);
  }

  private static Iterator<String> images(SegmentationDataset source, Storage files, String root) {
    try {
      Stream<String> images = source.images(files, root);
      TaskContext.get()
          .addTaskCompletionListener((TaskCompletionListener) context -> images.close());
      return images.iterator();
    } catch (FileNotFoundException e) {
      throw SqueezeException.input(
          "No folder of images in " + root + " (" + e.getMessage() + "; --data_path)", e);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
