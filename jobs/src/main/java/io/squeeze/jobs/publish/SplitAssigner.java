package io.squeeze.jobs.publish;

import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.count;
import static org.apache.spark.sql.functions.lit;
import static org.apache.spark.sql.functions.row_number;
import static org.apache.spark.sql.functions.udf;

import io.squeeze.config.DataSettings;
import io.squeeze.config.SqueezeException;
import io.squeeze.dataset.Cut;
import io.squeeze.jobs.console.Reporter;
import io.squeeze.jobs.publish.Versions.Published;
import io.squeeze.jobs.spark.SqueezeSession;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Encoders;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.api.java.UDF1;
import org.apache.spark.sql.api.java.UDF2;
import org.apache.spark.sql.expressions.Window;
import org.apache.spark.sql.types.DataTypes;

/**
 * Assigns the rows of embeddings to splits. Train and validation are the two parts of the data
 * set's first split. The cut follows hashed ids, balanced by stratum, or the order of the list. All
 * other splits are the data set's own.
 */
public final class SplitAssigner {
  /** The part of the first split that is trained on. */
  public static final String TRAIN = "train";

  /** The part of the first split that is held out. */
  public static final String VALIDATION = "val";

  /** Column with a sample's place in its split's list, counted from 0 without rejects. */
  public static final String POSITION = "list_position";

  private static final String PLACE = "place";
  private static final String STRATUM = "stratum";

  private final SparkSession spark;
  private final Reporter reporter;
  private final Published published;
  private final DataSettings data;
  private final Set<String> warned = new HashSet<>();

  /** What is held out, once it was asked for: train and val are two sides of one cut. */
  private Cut validation;

  /** The cuts that the settings ask for. */
  public SplitAssigner(SqueezeSession session, Published published, DataSettings data) {
    this.spark = session.spark();
    this.reporter = session.reporter();
    this.published = published;
    this.data = data;
  }

  /**
   * The rows of train, val or one of the data set's own splits, without those that {@code
   * data.subset-size} leaves out; with {@link #POSITION}.
   *
   * @throws SqueezeException of category usage if there is no such split
   */
  public Dataset<Row> rows(String name) {
    Manifest manifest = published.manifest();
    boolean part = isPart(name);
    if (!names(manifest).contains(name)) {
      throw SqueezeException.usage(
          "No split " + name + ": there are " + String.join(", ", names(manifest)));
    }
    String split = source(manifest, name);
    Dataset<Row> chosen = subset(positioned(split), split);
    if (!part) {
      return chosen;
    }
    if (data.listOrder()) {
      long all = total(split);
      long total = data.subsetSize().isEmpty() ? all : Math.min(all, data.subset());
      Column first = col(POSITION).lt((long) ((1 - data.valFraction()) * total));
      return chosen.where(name.equals(TRAIN) ? first : first.equalTo(false));
    }
    if (validation == null) {
      Map<String, Long> sizes = sizes(chosen);
      long held = Math.round(total(sizes) * data.valFraction());
      validation = cut(chosen, "validation", Cut.quotas(sizes, held));
    }
    Column taken = takes(validation);
    return chosen.where(name.equals(VALIDATION) ? taken : taken.equalTo(false));
  }

  /** Whether a name is of a part of the first split, not of one of the data set's own. */
  public static boolean isPart(String name) {
    return name.equals(TRAIN) || name.equals(VALIDATION);
  }

  /** The data set's own split that a name is of. */
  public static String source(Manifest manifest, String name) {
    return isPart(name) ? manifest.splits().get(0) : name;
  }

  /** The splits that there are: the two parts of the first, and the data set's own. */
  public static List<String> names(Manifest manifest) {
    List<String> names = new ArrayList<>(List.of(TRAIN, VALIDATION));
    manifest.splits().stream().filter(name -> !names.contains(name)).forEach(names::add);
    return names;
  }

  private Dataset<Row> subset(Dataset<Row> rows, String split) {
    if (data.subsetSize().isEmpty()) {
      return rows;
    }
    long asked = data.subsetSize().getAsInt();
    long total = total(split);
    if (asked >= total) {
      if (asked > total && warned.add(split)) {
        reporter.warn(
            "data.subset-size is %s, but %s has %s samples: all are used"
                .formatted(asked, split, total));
      }
      return rows;
    }
    return data.listOrder()
        ? rows.where(col(POSITION).lt(asked))
        : rows.where(takes(cut(rows, "subset", Cut.quotas(sizes(rows), asked))));
  }

  private long total(String split) {
    return published.manifest().rows().get(split);
  }

  /** Rows lie in files in the order of the list. */
  private Dataset<Row> positioned(String split) {
    Map<String, Long> before = new HashMap<>();
    long rows = 0;
    for (DataFile file : published.manifest().files()) {
      if (file.split().equals(split)) {
        before.put(file.path().substring(file.path().lastIndexOf('/') + 1), rows);
        rows += file.rows();
      }
    }
    UDF1<String, Long> offset = before::get;
    Column place =
        udf(offset, DataTypes.LongType)
            .apply(col("_metadata.file_name"))
            .plus(col("_metadata.row_index"));
    return published.read(spark, split).withColumn(POSITION, place);
  }

  private Map<String, Long> sizes(Dataset<Row> rows) {
    Map<String, Long> sizes = new TreeMap<>();
    rows.groupBy(stratum().as(STRATUM))
        .agg(count(lit(1)))
        .collectAsList()
        .forEach(row -> sizes.put(row.getString(0), row.getLong(1)));
    return sizes;
  }

  private static long total(Map<String, Long> sizes) {
    return sizes.values().stream().mapToLong(Long::longValue).sum();
  }

  /** The last place that each stratum's quota reaches. */
  private Cut cut(Dataset<Row> rows, String purpose, Map<String, Long> quotas) {
    UDF1<String, Long> quota = stratum -> quotas.getOrDefault(stratum, 0L);
    var byPlace = Window.partitionBy(STRATUM).orderBy(PLACE, Columns.SAMPLE_ID);
    Map<String, Long> thresholds = new TreeMap<>();
    rows.select(col(Columns.SAMPLE_ID), stratum().as(STRATUM))
        .withColumn(PLACE, place(purpose))
        .withColumn("rank", row_number().over(byPlace))
        .where(col("rank").equalTo(udf(quota, DataTypes.LongType).apply(col(STRATUM))))
        .select(STRATUM, PLACE)
        .collectAsList()
        .forEach(row -> thresholds.put(row.getString(0), row.getLong(1)));
    return new Cut(data.splitSeed(), purpose, thresholds);
  }

  private Column takes(Cut cut) {
    UDF2<String, String, Boolean> takes = cut::takes;
    return udf(takes, DataTypes.BooleanType).apply(col(Columns.SAMPLE_ID), stratum());
  }

  private Column place(String purpose) {
    long seed = data.splitSeed();
    UDF1<String, Long> place = id -> Cut.place(seed, purpose, id);
    return udf(place, DataTypes.LongType).apply(col(Columns.SAMPLE_ID));
  }

  private Column stratum() {
    String name = published.manifest().stratum();
    return name.isEmpty() ? lit("") : org.apache.spark.sql.functions.coalesce(col(name), lit(""));
  }

  /**
   * The bounds of {@code parts} groups of equal size, with the samples in the order of their
   * places: the first place of each group except the first group.
   */
  public static long[] bounds(Dataset<Row> rows, long seed, String purpose, long count, int parts) {
    if (parts == 1) {
      return new long[0];
    }
    Set<Long> starts = new TreeSet<>();
    for (int i = 1; i < parts; i++) {
      starts.add(count * i / parts);
    }
    JavaRDD<Long> places =
        rows.select(Columns.SAMPLE_ID)
            .as(Encoders.STRING())
            .toJavaRDD()
            .map(id -> Cut.place(seed, purpose, id));
    return placesAt(places, starts).stream().mapToLong(Long::longValue).toArray();
  }

  /** The places that stand at these ranks, counted from 0, when all are sorted. */
  public static List<Long> placesAt(JavaRDD<Long> places, Set<Long> ranks) {
    return places
        .sortBy(p -> p, true, Math.max(1, places.getNumPartitions()))
        .zipWithIndex()
        .filter(p -> ranks.contains(p._2()))
        .keys()
        .collect();
  }
}
