package io.squeeze.jobs.model;

import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.lit;
import static org.apache.spark.sql.functions.min;
import static org.apache.spark.sql.functions.udf;

import io.squeeze.config.Settings;
import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.publish.Columns;
import io.squeeze.jobs.publish.ForeignTable;
import io.squeeze.jobs.publish.Tables;
import io.squeeze.jobs.spark.SparkInternals;
import io.squeeze.jobs.spark.SqueezeSession;
import io.squeeze.jobs.storage.TableFile;
import java.io.IOException;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.api.java.UDF1;
import org.apache.spark.sql.catalyst.InternalRow;
import org.apache.spark.sql.functions;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.unsafe.types.UTF8String;

/**
 * Anybody's Parquet with a column of vectors, read in place. Every row was looked at once when it
 * was opened: those without a usable vector are left out.
 */
public final class VectorTable {
  /** Kinds of vectors beside their length. */
  private static final int NULL = -1;

  private static final int NOT_FINITE = -2;
  private static final int NULL_ELEMENT = -3;

  /** What the square of a length may be from 1: as far as float16 takes it. */
  private static final double UNIT = 2e-3;

  private final ForeignTable table;
  private final String vectorColumn;
  private final String idColumn;
  private final int channels;
  private final long count;
  private final boolean unit;
  private final long bad;

  private VectorTable(
      ForeignTable table,
      String vectorColumn,
      String idColumn,
      int channels,
      long count,
      boolean unit,
      long bad) {
    this.table = table;
    this.vectorColumn = vectorColumn;
    this.idColumn = idColumn;
    this.channels = channels;
    this.count = count;
    this.unit = unit;
    this.bad = bad;
  }

  /**
   * Opens a table.
   *
   * @param idColumn its values name the rows: text, numbers, or bytes, which become hexadecimal
   * @throws SqueezeException of category input if it cannot be used
   */
  public static VectorTable open(
      SqueezeSession session, String input, String vectorColumn, String idColumn, BadRows badRows)
      throws IOException {
    return open(session, input, "--input", vectorColumn, idColumn, badRows);
  }

  /**
   * The same of a table that another option names.
   *
   * @param option for messages
   */
  public static VectorTable open(
      SqueezeSession session,
      String input,
      String option,
      String vectorColumn,
      String idColumn,
      BadRows badRows)
      throws IOException {
    ForeignTable table = ForeignTable.open(session, input, option, List.of(vectorColumn, idColumn));
    Dataset<Row> rows = table.rows();
    VectorColumn.check(rows.schema(), vectorColumn);
    Map<Integer, Kind> kinds = kinds(rows, vectorColumn, idColumn);
    long all = kinds.values().stream().mapToLong(Kind::rows).sum();
    if (all != table.count()) {
      throw SqueezeException.input(
          "Spark reads %d rows of %s, whose files hold %d (%s)"
              .formatted(all, table.path(), table.count(), option));
    }
    long unnamed = kinds.values().stream().mapToLong(Kind::unnamed).sum();
    if (unnamed > 0) {
      throw SqueezeException.input(
          "The column %s of %s is null in %d of %d rows (--id_col): filter them out"
              .formatted(idColumn, table.path(), unnamed, all));
    }
    int channels =
        kinds.keySet().stream()
            .filter(kind -> kind > 0)
            .max(
                Comparator.comparingLong((Integer kind) -> kinds.get(kind).rows())
                    .thenComparing(kind -> kind))
            .orElseThrow(
                () ->
                    SqueezeException.input(
                        "There are no vectors in the column %s of %s: %d rows (--vector_col)"
                            .formatted(vectorColumn, table.path(), all)));
    Kind usable = kinds.get(channels);
    long count = usable.rows();
    VectorTable opened =
        new VectorTable(table, vectorColumn, idColumn, channels, count, usable.unit(), all - count);
    if (count < all) {
      opened.judge(session, kinds, badRows);
    }
    return opened;
  }

  /**
   * Rows whose vectors are alike.
   *
   * @param example the first of their ids; null where none has one
   * @param unnamed rows without an id
   * @param unit whether all are of length 1
   */
  private record Kind(long rows, UTF8String example, long unnamed, boolean unit)
      implements Serializable {

    static Kind of(InternalRow row, boolean unit) {
      // The row's own memory is used again.
      return row.isNullAt(0)
          ? new Kind(1, null, 1, unit)
          : new Kind(1, row.getUTF8String(0).clone(), 0, unit);
    }

    Kind plus(Kind other) {
      boolean own =
          other.example == null || (example != null && example.compareTo(other.example) <= 0);
      return new Kind(
          rows + other.rows,
          own ? example : other.example,
          unnamed + other.unnamed,
          unit && other.unit);
    }
  }

  /** The rows by the length of their vectors, or by what is wrong with them. */
  private static Map<Integer, Kind> kinds(Dataset<Row> rows, String vectorColumn, String idColumn) {
    Dataset<Row> both =
        rows.select(Tables.id(rows, idColumn).as(Columns.SAMPLE_ID), Tables.quoted(vectorColumn));
    VectorCells cells = new VectorCells(1, both.schema().apply(1).dataType());
    return SparkInternals.rows(both)
        .mapPartitions(
            some -> {
              Map<Integer, Kind> kinds = new HashMap<>();
              while (some.hasNext()) {
                InternalRow row = some.next();
                Object value = cells.value(row);
                int kind = kind(value);
                // One vector of another length decides: then lengths are not computed any more.
                boolean open = !kinds.containsKey(kind) || kinds.get(kind).unit();
                boolean unit = kind > 0 && open && isUnit(value);
                kinds.merge(kind, Kind.of(row, unit), Kind::plus);
              }
              return List.of(kinds).iterator();
            })
        .fold(
            new HashMap<>(),
            (a, b) -> {
              Map<Integer, Kind> sum = new HashMap<>(a);
              b.forEach((kind, other) -> sum.merge(kind, other, Kind::plus));
              return sum;
            });
  }

  private static int kind(Object value) {
    if (value == null) {
      return NULL;
    }
    if (VectorColumn.holdsNull(value)) {
      return NULL_ELEMENT;
    }
    float[] vector = VectorColumn.floats(value);
    return VectorColumn.isFinite(vector) ? vector.length : NOT_FINITE;
  }

  private static boolean isUnit(Object value) {
    double length = VectorColumn.length(VectorColumn.floats(value));
    return Math.abs(length * length - 1) <= UNIT;
  }

  private void judge(SqueezeSession session, Map<Integer, Kind> kinds, BadRows badRows) {
    List<String> found = new ArrayList<>();
    for (Map.Entry<Integer, Kind> other : kinds.entrySet()) {
      if (other.getKey() != channels) {
        String what =
            switch (other.getKey()) {
              case NULL -> "null";
              case NULL_ELEMENT -> "a null among the values";
              case NOT_FINITE -> "NaN, infinity, or what is none as float32";
              default -> other.getKey() + " values instead of " + channels;
            };
        Kind rows = other.getValue();
        found.add("%d with %s, such as %s".formatted(rows.rows(), what, rows.example()));
      }
    }
    found.sort(null);
    long all = count + bad;
    String sentence =
        "The column %s of %s has no usable vector in %d of %d rows: %s"
            .formatted(vectorColumn, table.path(), bad, all, String.join("; ", found));
    if (badRows.fail() || bad > badRows.most() * all) {
      throw SqueezeException.input(
          sentence
              + (badRows.fail()
                  ? "; filter them out, or leave them out with --on_bad_sample skip"
                  : "; filter them out, or raise --max_bad_fraction (%s)"
                      .formatted(badRows.most())));
    }
    session.reporter().warn(sentence + "; they are left out");
  }

  /** The table's path in full. */
  public String path() {
    return table.path();
  }

  /** Values of a vector. */
  public int channels() {
    return channels;
  }

  /** Rows with a usable vector. */
  public long count() {
    return count;
  }

  /** The type of the ids as SQL names it. */
  public String idType() {
    return table.rows().schema().apply(idColumn).dataType().catalogString();
  }

  /** Whether all vectors are of length 1. */
  public boolean unit() {
    return unit;
  }

  /** The files that it lies in. */
  public List<TableFile> files() {
    return table.files();
  }

  /** sample_id (string) and vector, of the rows with a usable vector. */
  public Dataset<Row> rows() {
    return usable(table.rows());
  }

  /** The same of some of its files. */
  public Dataset<Row> rows(List<TableFile> files) {
    return usable(table.rows(files));
  }

  /** The ids alone of all rows of some of its files, the bad ones with them. */
  public Dataset<Row> ids(List<TableFile> files) {
    Dataset<Row> rows = table.rows(files);
    return rows.select(Tables.id(rows, idColumn).as(Columns.SAMPLE_ID));
  }

  private Dataset<Row> usable(Dataset<Row> rows) {
    Dataset<Row> named =
        rows.select(
            Tables.id(rows, idColumn).as(Columns.SAMPLE_ID),
            Tables.quoted(vectorColumn).as(Columns.VECTOR));
    if (bad == 0) {
      return named;
    }
    int wanted = channels;
    UDF1<Object, Boolean> fits = value -> kind(value) == wanted;
    return named.where(udf(fits, DataTypes.BooleanType).apply(col(Columns.VECTOR)));
  }

  /**
   * How many ids stand for more than one row.
   *
   * @param ids number of such ids
   * @param rows that they stand for
   * @param example one of them; null for none
   */
  public record Repeated(long ids, long rows, String example) {
    /** A sentence for people. */
    public String sentence(String path) {
      return "%d ids of %s stand for %d rows, such as %s (--id_col)"
          .formatted(ids, path, rows, example);
    }
  }

  /** Looks for ids that stand for more than one row; reads the ids alone. */
  public Repeated repeated() {
    Row found =
        ids(table.files())
            .groupBy(Columns.SAMPLE_ID)
            .agg(functions.count(lit(1)).as("n"))
            .where("n > 1")
            .agg(functions.count(lit(1)), functions.sum("n"), min(col(Columns.SAMPLE_ID)))
            .head();
    return new Repeated(
        found.getLong(0), found.isNullAt(1) ? 0 : found.getLong(1), found.getString(2));
  }

  /** Which table and which of its columns a result was made from. */
  public String source() {
    return source(table.path(), vectorColumn, idColumn);
  }

  /** The same of any table. */
  public static String source(String path, String vectorColumn, String idColumn) {
    return "%s: %s by %s".formatted(path, vectorColumn, idColumn);
  }

  /** The same with what the table held: changes where a file of it does. */
  public String content() {
    return "%s, %d rows, files %s".formatted(source(), count, table.digest());
  }

  /** Changes where a file of the table comes, goes or changes. */
  public String digest() {
    return table.digest();
  }

  /** Refuses a checkpoint whose quantizer does not see vectors as they stand in a table. */
  public void check(String checkpoint, Settings settings, int width) {
    if (settings.train().adapterParameters() != null) {
      throw SqueezeException.configuration(
          "An adapter (--add_adapter) is for grids of features, not for the vectors of a table");
    }
    if (width != channels) {
      throw SqueezeException.input(
          "%s has vectors of %d values, but %s was trained on %d"
              .formatted(table.path(), channels, checkpoint, width));
    }
    if (settings.quantizer().type().equals("none")) {
      throw SqueezeException.configuration(
          checkpoint + " quantizes nothing (none), so it has no codes: name one of another type");
    }
  }

  /** How its vectors are read. */
  public VectorColumn column() {
    return new VectorColumn(Columns.VECTOR, 1, 0, channels);
  }
}
