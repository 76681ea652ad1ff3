package io.squeeze.jobs.evaluate;

import static org.apache.spark.sql.functions.avg;
import static org.apache.spark.sql.functions.col;

import com.fasterxml.jackson.databind.ObjectMapper;
import io.squeeze.codec.BitPacking;
import io.squeeze.jobs.console.Reporter;
import io.squeeze.jobs.evaluate.Recall.Pair;
import io.squeeze.jobs.model.VectorColumn;
import io.squeeze.jobs.model.VectorEncoding;
import io.squeeze.jobs.model.VectorTable;
import io.squeeze.jobs.model.VectorTable.Repeated;
import io.squeeze.jobs.publish.CodeHistogram;
import io.squeeze.jobs.publish.Columns;
import io.squeeze.jobs.run.ExactMean;
import io.squeeze.jobs.run.RunFolder;
import io.squeeze.jobs.run.Summary.Codebook;
import io.squeeze.jobs.spark.SqueezeSession;
import io.squeeze.jobs.storage.HadoopStorage;
import io.squeeze.train.Checkpoint;
import java.io.IOException;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.function.MapFunction;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.catalyst.encoders.ExpressionEncoder;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;

/**
 * What codes keep of the vectors of a table: mean squared error, cosine similarity and {@link
 * Recall}.
 */
public final class EvaluateVectorsJob {
  private static final String DECODED = "decoded";

  private final HadoopStorage storage;
  private final Reporter reporter;
  private final VectorTable table;
  private final String path;
  private final Checkpoint checkpoint;
  private final Recall.Draw draw;

  /**
   * A job that evaluates the checkpoint at a path.
   *
   * @param beam codes that rvq keeps open at a level; null: as it was fitted
   */
  public EvaluateVectorsJob(SqueezeSession session, VectorTable table, String path, String beam) {
    this(session, table, path, beam, Recall.Draw.USUAL);
  }

  /**
   * The same with a recall of other vectors.
   *
   * @param draw which vectors take part in it
   */
  public EvaluateVectorsJob(
      SqueezeSession session, VectorTable table, String path, String beam, Recall.Draw draw) {
    this.draw = draw;
    this.storage = session.storage();
    this.reporter = session.reporter();
    this.table = table;
    this.path = path;
    this.checkpoint = Checkpoint.read(storage, path).withBeam(beam);
    table.check(path, checkpoint.settings(), checkpoint.layout().channels());
  }

  /** Writes evaluation/vectors/summary.json beside the checkpoint, and prints it. */
  public Map<String, Object> run() throws IOException {
    Dataset<Row> decoded =
        new VectorEncoding(checkpoint, Columns.VECTOR, Columns.CODES, DECODED)
            .encode(table.rows())
            .persist();
    try {
      Map<String, Object> summary = summary(decoded);
      String json = new ObjectMapper().writerWithDefaultPrettyPrinter().writeValueAsString(summary);
      String file = RunFolder.of(storage, path).path("evaluation/vectors/summary.json");
      storage.replace(file, json + "\n");
      summary.forEach((name, value) -> reporter.result(shown(name, value)));
      reporter.result("Written: " + file);
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

  private Map<String, Object> summary(Dataset<Row> decoded) {
    StructType schema =
        new StructType().add("error", DataTypes.DoubleType).add("cosine", DataTypes.DoubleType);
    MapFunction<Row, Row> compare = EvaluateVectorsJob::compared;
    Dataset<Row> compared = decoded.map(compare, ExpressionEncoder.apply(schema));
    // As decimals, whose sum no order of adding changes.
    double cosine =
        compared.agg(avg(col("cosine").cast("decimal(20,15)")).cast("double")).head().getDouble(0);
    long count = decoded.count();
    int[] levels = checkpoint.model().quantizer().codebookSizes();
    double bits = Arrays.stream(levels).map(BitPacking::bits).sum();
    Map<String, Object> summary = new LinkedHashMap<>();
    summary.put("samples", count);
    summary.put("mse", ExactMean.of(compared, "error"));
    summary.put("cosine_similarity", cosine);
    Repeated repeated = table.repeated();
    if (repeated.ids() > 0) {
      reporter.warn(
          repeated.sentence(table.path()) + ": recall needs unique ids, so there is none");
    } else {
      Recall.Result recall = recall(decoded, count);
      if (recall.queries() > 0 && Double.isFinite(recall.recall())) {
        summary.put("recall_at_10", recall.recall());
      }
      summary.put("recall_queries", recall.queries());
      summary.put("recall_population", recall.population());
    }
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

  private static Pair pair(Row row) {
    // The projection is onto principal components. So distances to decoded vectors rank alike
    // before and after it.
    float[] vector = VectorColumn.floats(row.getAs(Columns.VECTOR));
    float[] decoded = VectorColumn.floats(row.getAs(DECODED));
    return new Pair(row.getAs(Columns.SAMPLE_ID), vector, vector, decoded);
  }

  private Recall.Result recall(Dataset<Row> decoded, long count) {
    JavaRDD<Row> rows = decoded.toJavaRDD();
    Recall.Draw drawn = draw;
    return Recall.of(
        rows.filter(row -> drawn.searched(row.getAs(Columns.SAMPLE_ID), count))
            .map(EvaluateVectorsJob::pair),
        rows.filter(row -> drawn.asked(row.getAs(Columns.SAMPLE_ID), count))
            .map(EvaluateVectorsJob::pair)
            .collect());
  }
}
