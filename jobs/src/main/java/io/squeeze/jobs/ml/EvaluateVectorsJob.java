package io.squeeze.jobs.ml;

import static org.apache.spark.sql.functions.avg;
import static org.apache.spark.sql.functions.col;

import com.fasterxml.jackson.databind.ObjectMapper;
import io.squeeze.config.Seeds;
import io.squeeze.jobs.evaluate.Summary.Codebook;
import io.squeeze.jobs.spark.CodeHistogram;
import io.squeeze.jobs.spark.Columns;
import io.squeeze.jobs.spark.Console;
import io.squeeze.jobs.spark.HadoopStorage;
import io.squeeze.jobs.spark.RunFolder;
import io.squeeze.quantize.KMeans;
import io.squeeze.train.Checkpoint;
import java.io.IOException;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.api.java.function.MapFunction;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.catalyst.encoders.ExpressionEncoder;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;

/**
 * What codes keep of the vectors of a table: mean squared error, cosine similarity and recall@10,
 * the share of a vector's ten nearest neighbours (Euclidean, itself left out) that are still among
 * its ten nearest when the others are decoded from their codes.
 */
public final class EvaluateVectorsJob {
  private static final int NEIGHBOURS = 10;
  private static final int QUERIES = 200;
  private static final int SEARCHED = 20_000;
  private static final String DECODED = "decoded";

  private final SparkSession spark;
  private final HadoopStorage storage;
  private final VectorTable table;
  private final String path;
  private final Checkpoint checkpoint;

  /**
   * A job that evaluates the checkpoint at a path.
   *
   * @param beam codes that rvq keeps open at a level; null: as it was fitted
   */
  public EvaluateVectorsJob(SparkSession spark, VectorTable table, String path, String beam) {
    this.spark = spark;
    this.storage = new HadoopStorage(spark);
    this.table = table;
    this.path = path;
    this.checkpoint = Checkpoint.read(storage, path).withBeam(beam);
    table.check(path, checkpoint.settings(), checkpoint.layout().channels());
  }

  /** Writes evaluation/vectors/summary.json beside the checkpoint, and prints it. */
  public Map<String, Object> run() throws IOException {
    VectorQuantizationModel model =
        new VectorQuantizationModel("evaluate", checkpoint)
            .setInputCol(Columns.VECTOR)
            .setOutputCol(Columns.CODES)
            .setReconstructionCol(DECODED);
    Dataset<Row> decoded = model.transform(table.rows()).persist();
    try {
      Map<String, Object> summary = summary(model, decoded);
      String json = new ObjectMapper().writerWithDefaultPrettyPrinter().writeValueAsString(summary);
      String file = RunFolder.of(storage, path).path("evaluation/vectors/summary.json");
      storage.replace(file, json + "\n");
      summary.forEach((name, value) -> Console.result(shown(name, value)));
      Console.result("Written: " + file);
      return summary;
    } finally {
      decoded.unpersist();
    }
  }

  private static String shown(String name, Object value) {
    Object text = value;
    if (value instanceof Double number) {
      text = String.format(Locale.ROOT, "%.5g", number);
    } else if (value instanceof Codebook codebook) {
      text = codebook.used() + " of " + codebook.size() + " codes used";
    }
    return String.format(Locale.ROOT, "  %-18s %s", name, text);
  }

  private Map<String, Object> summary(VectorQuantizationModel model, Dataset<Row> decoded) {
    StructType schema =
        new StructType().add("error", DataTypes.DoubleType).add("cosine", DataTypes.DoubleType);
    MapFunction<Row, Row> compare = EvaluateVectorsJob::compared;
    // As decimals, whose sum no order of adding changes.
    Row means =
        decoded
            .map(compare, ExpressionEncoder.apply(schema))
            .agg(
                avg(col("error").cast("decimal(38,15)")).cast("double"),
                avg(col("cosine").cast("decimal(20,15)")).cast("double"))
            .collectAsList()
            .get(0);
    long count = decoded.count();
    double bits = model.bitsPerVector();
    int[] levels = checkpoint.model().quantizer().levels();
    Map<String, Object> summary = new LinkedHashMap<>();
    summary.put("samples", count);
    summary.put("mse", means.getDouble(0));
    summary.put("cosine_similarity", means.getDouble(1));
    summary.put("recall_at_10", recall(decoded, count));
    summary.put("bits_per_vector", bits);
    summary.put("compression", Map.of("nominal", 32.0 * table.channels() / bits));
    summary.put("codebook", Codebook.of(CodeHistogram.of(decoded, levels)));
    return summary;
  }

  private static Row compared(Row row) {
    float[] x = VectorColumn.floats(row.getAs(Columns.VECTOR));
    float[] y = VectorColumn.floats(row.getAs(DECODED));
    double error = 0;
    double dot = 0;
    double xs = 0;
    double ys = 0;
    for (int j = 0; j < x.length; j++) {
      error += Math.pow(x[j] - y[j], 2);
      dot += (double) x[j] * y[j];
      xs += (double) x[j] * x[j];
      ys += (double) y[j] * y[j];
    }
    double lengths = Math.sqrt(xs * ys);
    return RowFactory.create(error / x.length, lengths > 0 ? dot / lengths : xs == ys ? 1.0 : 0.0);
  }

  /** A vector and what its codes stand for. */
  private record Pair(String id, float[] vector, float[] decoded) implements java.io.Serializable {
    static Pair of(Row row) {
      return new Pair(
          row.getAs(Columns.SAMPLE_ID),
          VectorColumn.floats(row.getAs(Columns.VECTOR)),
          VectorColumn.floats(row.getAs(DECODED)));
    }
  }

  private double recall(Dataset<Row> decoded, long count) {
    JavaRDD<Pair> searched = drawn(decoded, "searched", SEARCHED, count);
    List<Pair> queries = drawn(decoded, "query", QUERIES, count).collect();
    if (queries.isEmpty() || count < 2) {
      return 1;
    }
    Broadcast<List<Pair>> sent =
        JavaSparkContext.fromSparkContext(spark.sparkContext()).broadcast(queries);
    Nearest[][] found =
        searched
            .mapPartitions(
                pairs -> {
                  Nearest[][] nearest = Nearest.none(sent.value().size());
                  pairs.forEachRemaining(pair -> Nearest.offer(nearest, sent.value(), pair));
                  return List.of((Object) nearest).iterator();
                })
            .map(nearest -> (Nearest[][]) nearest)
            .treeReduce(Nearest::merge);
    sent.destroy();
    double shared = 0;
    double all = 0;
    for (Nearest[] query : found) {
      List<String> truth = query[0].ids();
      all += truth.size();
      shared += query[1].ids().stream().filter(truth::contains).count();
    }
    return all == 0 ? 1 : shared / all;
  }

  private static JavaRDD<Pair> drawn(Dataset<Row> decoded, String purpose, int most, long count) {
    double share = (double) most / count;
    return decoded
        .toJavaRDD()
        .filter(row -> Seeds.takes(Seeds.hash(0, purpose, row.getAs(Columns.SAMPLE_ID)), share))
        .map(Pair::of);
  }

  /** The ten nearest so far, ties by id. */
  private static final class Nearest implements java.io.Serializable {
    private static final long serialVersionUID = 1L;
    private final double[] distances = new double[NEIGHBOURS];
    private final String[] names = new String[NEIGHBOURS];
    private int size;

    static Nearest[][] none(int queries) {
      Nearest[][] none = new Nearest[queries][2];
      for (Nearest[] query : none) {
        query[0] = new Nearest();
        query[1] = new Nearest();
      }
      return none;
    }

    static void offer(Nearest[][] nearest, List<Pair> queries, Pair pair) {
      for (int q = 0; q < queries.size(); q++) {
        Pair query = queries.get(q);
        if (!query.id().equals(pair.id())) {
          float[] x = query.vector();
          nearest[q][0].offer(KMeans.squared(x, 0, pair.vector(), 0, x.length), pair.id());
          nearest[q][1].offer(KMeans.squared(x, 0, pair.decoded(), 0, x.length), pair.id());
        }
      }
    }

    private void offer(double distance, String name) {
      int at = size;
      while (at > 0 && before(distance, name, at - 1)) {
        at--;
      }
      if (at == NEIGHBOURS) {
        return;
      }
      size = Math.min(NEIGHBOURS, size + 1);
      for (int i = size - 1; i > at; i--) {
        distances[i] = distances[i - 1];
        names[i] = names[i - 1];
      }
      distances[at] = distance;
      names[at] = name;
    }

    private boolean before(double distance, String name, int at) {
      return distance < distances[at]
          || (distance == distances[at] && name.compareTo(names[at]) < 0);
    }

    static Nearest[][] merge(Nearest[][] a, Nearest[][] b) {
      for (int q = 0; q < a.length; q++) {
        for (int side = 0; side < 2; side++) {
          for (int i = 0; i < b[q][side].size; i++) {
            a[q][side].offer(b[q][side].distances[i], b[q][side].names[i]);
          }
        }
      }
      return a;
    }

    List<String> ids() {
      return Arrays.asList(names).subList(0, size);
    }
  }
}
