package io.squeeze.jobs.evaluate;

import static org.apache.spark.sql.functions.avg;
import static org.apache.spark.sql.functions.col;

import io.squeeze.codec.BitPacking;
import io.squeeze.jobs.console.Reporter;
import io.squeeze.jobs.evaluate.Recall.Pair;
import io.squeeze.jobs.fit.VectorFit;
import io.squeeze.jobs.model.VectorColumn;
import io.squeeze.jobs.model.VectorEncoding;
import io.squeeze.jobs.model.VectorTable;
import io.squeeze.jobs.model.VectorTable.Repeated;
import io.squeeze.jobs.publish.CodeHistogram;
import io.squeeze.jobs.publish.Columns;
import io.squeeze.jobs.publish.Tables;
import io.squeeze.jobs.run.ExactMean;
import io.squeeze.jobs.run.RunFolder;
import io.squeeze.jobs.run.SampleTable;
import io.squeeze.jobs.run.Summary;
import io.squeeze.jobs.run.Summary.Codebook;
import io.squeeze.jobs.run.VectorSummary;
import io.squeeze.jobs.spark.SqueezeSession;
import io.squeeze.jobs.storage.FolderLock;
import io.squeeze.jobs.storage.HadoopStorage;
import io.squeeze.metric.CodeUsage;
import io.squeeze.quantize.CodebookStatistics;
import io.squeeze.quantize.Quantizer;
import io.squeeze.quantize.VectorBlock;
import io.squeeze.storage.Storage;
import io.squeeze.train.Checkpoint;
import io.squeeze.weights.HostTensor;
import java.io.IOException;
import java.util.Arrays;
import java.util.List;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.function.MapFunction;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.catalyst.encoders.ExpressionEncoder;
import org.apache.spark.sql.types.StructType;

/**
 * What codes keep of the vectors of a table: mean squared error, cosine similarity and {@link
 * Recall}.
 */
public final class EvaluateVectorsJob {
  private static final String DECODED = "decoded";
  private static final String CODE_ERROR = "code_error";

  /** Rows of a file of the table of scores. */
  private static final long ROWS_PER_FILE = 2_000_000;

  private static final StructType SCORES =
      new StructType()
          .add(Columns.SAMPLE_ID, "string")
          .add(SampleTable.ERROR, "double")
          .add(SampleTable.PROJECTION_ERROR, "double")
          .add(SampleTable.COSINE, "double");

  private final SqueezeSession session;
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
    this.session = session;
    this.storage = session.storage();
    this.reporter = session.reporter();
    this.table = table;
    this.path = path;
    this.checkpoint = Checkpoint.read(storage, path).withBeam(beam);
    table.check(path, checkpoint.settings(), checkpoint.layout().channels());
  }

  /** Writes evaluation/vectors/summary.json beside the checkpoint, and prints it. */
  public VectorSummary run() throws IOException {
    VectorSummary summary = score();
    summary.lines().forEach(reporter::result);
    String folder = RunFolder.of(storage, path).evaluation(VectorSummary.EVALUATION);
    reporter.result("Written: " + Storage.join(folder, Summary.NAME) + ", " + SampleTable.NAME);
    return summary;
  }

  /** The same without printing. */
  public VectorSummary score() throws IOException {
    String folder = RunFolder.of(storage, path).evaluation(VectorSummary.EVALUATION);
    return FolderLock.holding(storage, folder, () -> evaluated(folder));
  }

  private VectorSummary evaluated(String folder) throws IOException {
    Dataset<Row> decoded =
        new VectorEncoding(checkpoint, Columns.VECTOR, Columns.CODES, DECODED, CODE_ERROR)
            .encode(table.rows())
            .persist();
    try {
      String file = Storage.join(folder, Summary.NAME);
      // The summary is written last: the table beside it belongs to it.
      storage.delete(file);
      VectorSummary summary = summary(decoded, Storage.join(folder, SampleTable.NAME));
      storage.replace(file, summary.json());
      return summary;
    } finally {
      decoded.unpersist();
    }
  }

  private VectorSummary summary(Dataset<Row> decoded, String path) throws IOException {
    long count = decoded.count();
    MapFunction<Row, Row> compare = EvaluateVectorsJob::compared;
    // By hash and in order, so that the file does not depend on the cluster.
    Tables.replace(
        storage,
        decoded
            .map(compare, ExpressionEncoder.apply(SCORES))
            .repartition((int) (1 + count / ROWS_PER_FILE), col(Columns.SAMPLE_ID))
            .sortWithinPartitions(Columns.SAMPLE_ID),
        path);
    Dataset<Row> scores =
        session.spark().read().schema(SCORES).parquet(HadoopStorage.literal(path));
    // As decimals, whose sum no order of adding changes.
    Column cosine = col(SampleTable.COSINE).cast("decimal(20,15)");
    int[] levels = checkpoint.model().quantizer().codebookSizes();
    List<CodeUsage> usage = CodeHistogram.of(decoded, levels);
    double entropy = usage.stream().mapToDouble(CodeUsage::entropyBits).sum();
    double bits =
        VectorFit.isScalar(checkpoint.settings().quantizer())
            ? entropy
            : Arrays.stream(levels).map(BitPacking::bits).sum();
    Recall.Result recall = recall(decoded, count);
    boolean measured = recall.queries() > 0 && Double.isFinite(recall.recall());
    return new VectorSummary(
        count,
        ExactMean.of(scores, SampleTable.ERROR),
        scores.agg(avg(cosine).cast("double")).head().getDouble(0),
        measured ? recall.recall() : null,
        measured ? recall.queries() : null,
        measured ? recall.population() : null,
        bits,
        entropy,
        ExactMean.of(scores, SampleTable.PROJECTION_ERROR),
        variance(decoded),
        new VectorSummary.Nominal(32.0 * table.channels() / bits),
        Codebook.of(usage));
  }

  /** Of a value, the mean over all: from distances to the quantizer's centre, if it has one. */
  private double variance(Dataset<Row> decoded) {
    int width = table.channels();
    HostTensor known = checkpoint.state().tensors().get(Quantizer.CENTRE);
    float[] centre = known == null ? new float[width] : known.floats();
    JavaRDD<VectorBlock> blocks =
        new VectorColumn(Columns.VECTOR, 1, 0, width).blocks(decoded, 0, 1);
    int exponent =
        CodebookStatistics.exponent(blocks.map(VectorBlock::largest).fold(0.0, Math::max));
    CodebookStatistics sums =
        blocks
            .map(block -> block.spread(centre, new CodebookStatistics(1, width, exponent)))
            .treeReduce(CodebookStatistics::merge);
    double away = 0;
    for (int j = 0; j < width; j++) {
      away += Math.pow(sums.sum(0, j) / sums.count(0) - centre[j], 2);
    }
    return Math.max(0, sums.distances() / sums.count(0) - away) / width;
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
    return RowFactory.create(
        row.getAs(Columns.SAMPLE_ID),
        error / x.length,
        Math.max(0, error / x.length - row.<Double>getAs(CODE_ERROR)),
        lengths > 0 ? dot / lengths : xs == ys ? 1.0 : 0.0);
  }

  private static Pair pair(Row row) {
    // The projection is onto principal components. So distances to decoded vectors rank alike
    // before and after it.
    float[] vector = VectorColumn.floats(row.getAs(Columns.VECTOR));
    float[] decoded = VectorColumn.floats(row.getAs(DECODED));
    return new Pair(row.getAs(Columns.SAMPLE_ID), vector, vector, decoded);
  }

  /** Nothing is asked where ids do not tell the vectors apart. */
  private Recall.Result recall(Dataset<Row> decoded, long count) {
    Repeated repeated = table.repeated();
    if (repeated.ids() > 0) {
      reporter.warn(
          repeated.sentence(table.path()) + ": recall needs unique ids, so there is none");
      return new Recall.Result(Double.NaN, 0, 0);
    }
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
