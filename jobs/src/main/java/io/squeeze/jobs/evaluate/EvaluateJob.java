package io.squeeze.jobs.evaluate;

import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.explode;
import static org.apache.spark.sql.functions.udf;

import io.squeeze.codec.Compression;
import io.squeeze.config.DataSettings;
import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.console.Reporter;
import io.squeeze.jobs.evaluate.Recall.Pair;
import io.squeeze.jobs.model.TrainedModels;
import io.squeeze.jobs.model.TrainedQuantizer;
import io.squeeze.jobs.publish.CodeHistogram;
import io.squeeze.jobs.publish.Columns;
import io.squeeze.jobs.publish.Manifest;
import io.squeeze.jobs.publish.ParquetBytes;
import io.squeeze.jobs.publish.ParquetBytes.Stored;
import io.squeeze.jobs.publish.SplitAssigner;
import io.squeeze.jobs.publish.Tables;
import io.squeeze.jobs.run.CompressionTable;
import io.squeeze.jobs.run.ExactMean;
import io.squeeze.jobs.run.Groups;
import io.squeeze.jobs.run.Groups.Group;
import io.squeeze.jobs.run.ReferenceMetrics;
import io.squeeze.jobs.run.RunFolder;
import io.squeeze.jobs.run.SampleTable;
import io.squeeze.jobs.run.Summary;
import io.squeeze.jobs.run.Summary.Kept;
import io.squeeze.jobs.spark.JobDescription;
import io.squeeze.jobs.spark.SqueezeSession;
import io.squeeze.jobs.storage.FolderLock;
import io.squeeze.jobs.storage.HadoopStorage;
import io.squeeze.metric.CodeUsage;
import io.squeeze.metric.ConfusionMatrix;
import io.squeeze.quantize.Quantizer;
import io.squeeze.storage.Storage;
import io.squeeze.train.Checkpoint;
import java.io.IOException;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.api.java.UDF1;
import org.apache.spark.sql.types.DataTypes;

/** A checkpoint to the IoU and the bytes of every sample, and to their summary. */
public final class EvaluateJob {
  private static final long ROWS_PER_FILE = 100_000;

  private final SqueezeSession session;
  private final SparkSession spark;
  private final HadoopStorage storage;
  private final Reporter reporter;
  private final String checkpointPath;
  private final TrainedModels trained;
  private final String split;

  /**
   * What is to be evaluated.
   *
   * @param checkpoint path of the checkpoint of a run
   * @param baseline path of one to compare it with; null for none
   * @param embeddings path of the embeddings; null: those of the run
   * @param split train, val or one of the data set's own
   * @param beam codes that rvq keeps open at a level; null: as it was trained
   */
  public record Request(
      String checkpoint, String baseline, String embeddings, String split, String beam) {

    /** A checkpoint alone, on the embeddings of its run. */
    public static Request of(String checkpoint, String split) {
      return new Request(checkpoint, null, null, split, null);
    }
  }

  /**
   * Opens what is to be evaluated.
   *
   * @throws SqueezeException of category input if something is missing or does not fit together
   */
  public EvaluateJob(SqueezeSession session, Request request) throws IOException {
    this.session = session;
    this.spark = session.spark();
    this.storage = session.storage();
    this.reporter = session.reporter();
    this.checkpointPath = request.checkpoint();
    this.trained =
        TrainedModels.open(
                storage, reporter, request.checkpoint(), request.baseline(), request.embeddings())
            .withBeam(request.beam());
    this.split = request.split();
  }

  /**
   * What was written.
   *
   * @param usage of the codes of each level; empty without quantization
   */
  public record Scored(Summary summary, List<CodeUsage> usage, List<Group> groups) {}

  /**
   * Writes per_sample.parquet, groups.csv and summary.json below the run's folder, and prints a
   * table.
   */
  public Scored run() throws IOException {
    Scored scored = scored();
    print(scored.summary(), folder());
    return scored;
  }

  /** What is evaluated. */
  public TrainedModels trained() {
    return trained;
  }

  /** The table of the samples, once it is written. */
  public Dataset<Row> table() throws IOException {
    return read(Storage.join(folder(), SampleTable.NAME));
  }

  private String folder() {
    return RunFolder.of(storage, checkpointPath).evaluation(split);
  }

  /** The same without printing. */
  public Summary score() throws IOException {
    return scored().summary();
  }

  private Scored scored() throws IOException {
    String folder = folder();
    return FolderLock.holding(storage, folder, () -> scored(folder));
  }

  private Scored scored(String folder) throws IOException {
    String scoring = Storage.join(folder, "_scoring");
    String run = "evaluate " + checkpointPath;
    try {
      JobDescription.name(spark, run, "scoring " + split);
      String scored = Storage.join(scoring, "scored.parquet");
      Tables.replace(storage, new SampleScores(session, trained).rows(split), scored);
      JobDescription.name(spark, run, "summary of " + split);
      return summarized(read(scored), folder);
    } finally {
      storage.delete(scoring);
    }
  }

  private Scored summarized(Dataset<Row> scored, String folder) throws IOException {
    long samples = scored.count();
    if (samples == 0) {
      throw SqueezeException.input("The split " + split + " has no samples");
    }
    List<CodeUsage> usage =
        CodeHistogram.of(scored, trained.checkpoint().model().quantizer().codebookSizes());
    Kept kept = usage.isEmpty() ? null : kept(scored);
    // By hash and in order, so that what Parquet makes of it does not depend on the cluster.
    Dataset<Row> table =
        withEntropy(scored.drop(SampleScores.DRAWN), usage)
            .repartition((int) (1 + samples / ROWS_PER_FILE), col(Columns.SAMPLE_ID))
            .sortWithinPartitions(Columns.SAMPLE_ID);
    String path = Storage.join(folder, SampleTable.NAME);
    // The summary is written last: if it exists, the table beside it is complete and belongs to it.
    storage.delete(Storage.join(folder, Summary.NAME));
    Tables.replace(storage, table, path);
    Dataset<Row> written = read(path);
    Summary summary = summary(written, samples, path, usage, kept);
    List<Group> groups = Groups.of(written, trained.embeddings().manifest().columns());
    storage.replace(Storage.join(folder, Groups.NAME), Groups.csv(groups));
    storage.replace(Storage.join(folder, Summary.NAME), summary.json());
    return new Scored(summary, usage, groups);
  }

  private Kept kept(Dataset<Row> table) {
    long vectors = SampleScores.vectors(trained.embeddings().manifest(), split);
    JavaRDD<Pair> drawn =
        table
            .select(explode(col(SampleScores.DRAWN)).as("pair"))
            .select("pair.id", "pair.vector", "pair.located", "pair.decoded")
            .toJavaRDD()
            .map(row -> new Pair(row.getString(0), floats(row, 1), floats(row, 2), floats(row, 3)));
    Recall.Draw draw = Recall.Draw.USUAL;
    List<Pair> asked = drawn.filter(pair -> draw.asked(pair.id(), vectors)).collect();
    Recall.Result recall =
        Recall.of(drawn.filter(pair -> draw.searched(pair.id(), vectors)), asked);
    return new Kept(
        ExactMean.of(table, SampleTable.ERROR),
        Summary.mean(table, SampleTable.COSINE),
        Double.isFinite(recall.recall()) ? recall.recall() : null,
        recall.queries(),
        recall.population());
  }

  private static float[] floats(Row row, int column) {
    List<Float> values = row.getList(column);
    float[] floats = new float[values.size()];
    for (int i = 0; i < floats.length; i++) {
      floats[i] = values.get(i);
    }
    return floats;
  }

  private Dataset<Row> read(String path) throws IOException {
    return spark.read().parquet(HadoopStorage.literal(storage.qualified(path)));
  }

  /** Adds what each sample's codes would take by the statistics of all. */
  private static Dataset<Row> withEntropy(Dataset<Row> table, List<CodeUsage> usage) {
    if (usage.isEmpty()) {
      return table;
    }
    List<double[]> bits = usage.stream().map(CodeUsage::bits).toList();
    UDF1<scala.collection.Seq<Integer>, Double> bytes =
        codes -> {
          double sum = 0;
          for (int i = 0; i < codes.size(); i++) {
            sum += bits.get(i % bits.size())[codes.apply(i)];
          }
          return sum / 8;
        };
    return table.withColumn(
        SampleTable.ENTROPY, udf(bytes, DataTypes.DoubleType).apply(col(SampleTable.CODES)));
  }

  private Summary summary(
      Dataset<Row> table, long samples, String path, List<CodeUsage> usage, Kept kept)
      throws IOException {
    Checkpoint checkpoint = trained.checkpoint();
    List<String> classes = checkpoint.classNames();
    Summary baseline = null;
    if (trained.baseline() != null) {
      baseline =
          Summary.of(
              samples,
              Summary.pooled(table, SampleTable.BASELINE_CONFUSION, classes.size()),
              Summary.mean(table, SampleTable.BASELINE_IOU),
              classes,
              compression(trained.baseline(), samples, List.of(), path),
              List.of(),
              null,
              reference(table, SampleTable.BASELINE_CONFUSION),
              null);
    }
    ConfusionMatrix matrix = Summary.pooled(table, SampleTable.CONFUSION, classes.size());
    return Summary.of(
        samples,
        matrix,
        Summary.mean(table, SampleTable.IOU),
        classes,
        compression(checkpoint, samples, usage, path),
        usage,
        kept,
        reference(table, SampleTable.CONFUSION),
        baseline);
  }

  private ReferenceMetrics reference(Dataset<Row> table, String column) {
    Checkpoint checkpoint = trained.checkpoint();
    DataSettings data = checkpoint.settings().data();
    boolean stretch =
        data.listOrder() || (!SplitAssigner.isPart(split) && data.subsetSize().isEmpty());
    int batch = checkpoint.settings().train().batchSize();
    return ReferenceMetrics.of(table, column, checkpoint.classNames().size(), batch, stretch);
  }

  private Compression compression(
      Checkpoint checkpoint, long samples, List<CodeUsage> usage, String path) throws IOException {
    Manifest manifest = trained.embeddings().manifest();
    long features =
        ParquetBytes.of(spark, storage, sourceFolder(manifest), Columns.EMBEDDING).of(samples);
    Quantizer quantizer = checkpoint.model().quantizer();
    if (quantizer.codebookSizes().length == 0) {
      return Compression.none(samples, manifest.positions(), manifest.channels(), features);
    }
    long decoder =
        TrainedQuantizer.decoderBytes(checkpoint, storage, Storage.join(folder(), "_decoder"));
    Stored stored = ParquetBytes.of(spark, storage, path, SampleTable.CODES);
    return Compression.of(
        samples,
        manifest.positions(),
        manifest.channels(),
        usage,
        stored.bytes(),
        decoder,
        features);
  }

  private String sourceFolder(Manifest manifest) {
    String source = SplitAssigner.source(manifest, split);
    return Storage.join(trained.embeddings().path(), Columns.SPLIT + "=" + source);
  }

  private void print(Summary summary, String folder) {
    String name = trained.checkpoint().settings().quantizer().type();
    reporter.result("Split " + split + ", " + summary.samples() + " samples");
    reporter.result("");
    reporter.result(
        "           mIoU    pixel acc  bits/vector  nominal   packed   stored  amortized");
    line(name, summary);
    if (summary.baseline() != null) {
      line("baseline", summary.baseline());
    }
    reporter.result("");
    for (Map.Entry<String, Double> entry : summary.classIou().entrySet()) {
      reporter.result(
          String.format(Locale.ROOT, "  IoU %-12s %.4f", entry.getKey(), entry.getValue()));
    }
    if (summary.codebook() != null) {
      reporter.result(
          String.format(
              Locale.ROOT,
              "  codes used      %d of %d, perplexity %.1f",
              summary.codebook().used(),
              summary.codebook().size(),
              summary.codebook().perplexity()));
    }
    if (summary.kept() != null) {
      reporter.result(
          String.format(
              Locale.ROOT,
              "  vectors         mean squared error %.4g, cosine similarity %.4f",
              summary.kept().meanSquaredError(),
              summary.kept().cosineSimilarity()));
      if (summary.kept().recall() != null) {
        reporter.result(
            String.format(
                Locale.ROOT,
                "  recall@10       %.3f of %d vectors among %d",
                summary.kept().recall(),
                summary.kept().queries(),
                summary.kept().population()));
      }
    }
    reporter.result("");
    reporter.result(
        "Written: " + folder + "/" + Summary.NAME + ", " + SampleTable.NAME + ", " + Groups.NAME);
  }

  private void line(String name, Summary s) {
    reporter.result(
        String.format(
            Locale.ROOT,
            "%-9s  %.4f  %.4f     %-11.0f  %-8s  %-7s  %-6s  %s",
            name,
            s.miou(),
            s.pixelAccuracy(),
            s.bitsPerVector(),
            CompressionTable.ratio(s.compression().nominal()),
            CompressionTable.ratio(s.compression().packed()),
            CompressionTable.ratio(s.compression().stored()),
            CompressionTable.ratio(s.compression().amortized())));
  }
}
