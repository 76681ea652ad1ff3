package io.squeeze.jobs.evaluate;

import io.squeeze.codec.BitPacking;
import io.squeeze.dataset.SegmentationDataset.Column;
import io.squeeze.jobs.model.MappedRows;
import io.squeeze.jobs.model.Predictor;
import io.squeeze.jobs.model.Predictor.Kept;
import io.squeeze.jobs.model.Predictor.Prediction;
import io.squeeze.jobs.model.TrainedModels;
import io.squeeze.jobs.model.TrainedModels.Models;
import io.squeeze.jobs.publish.Columns;
import io.squeeze.jobs.publish.Manifest;
import io.squeeze.jobs.publish.SplitAssigner;
import io.squeeze.jobs.run.SampleTable;
import io.squeeze.jobs.run.SampleTable.Score;
import io.squeeze.jobs.spark.SqueezeSession;
import io.squeeze.jobs.spark.Stages;
import io.squeeze.metric.ConfusionMatrix;
import io.squeeze.train.Batch;
import io.squeeze.train.Checkpoint;
import io.squeeze.train.Example;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;

/** Scores every sample of a split: the rows of {@link SampleTable}. */
final class SampleScores {
  /** Temporary column with the vectors that {@link Recall} is measured with. */
  static final String DRAWN = "drawn";

  private static final StructType PAIR =
      new StructType()
          .add("id", "string")
          .add("vector", DataTypes.createArrayType(DataTypes.FloatType, false))
          .add("located", DataTypes.createArrayType(DataTypes.FloatType, false))
          .add("decoded", DataTypes.createArrayType(DataTypes.FloatType, false));

  private final SqueezeSession session;
  private final SparkSession spark;
  private final TrainedModels trained;

  SampleScores(SqueezeSession session, TrainedModels trained) {
    this.session = session;
    this.spark = session.spark();
    this.trained = trained;
  }

  /** Number of vectors in the data set's split that a split belongs to. */
  static long vectors(Manifest manifest, String split) {
    return manifest.rows().getOrDefault(SplitAssigner.source(manifest, split), 0L)
        * manifest.positions();
  }

  /**
   * The rows of a split: train, val or one of the data set's own; with the vectors that a recall is
   * measured with.
   */
  Dataset<Row> rows(String split) {
    Manifest manifest = trained.embeddings().manifest();
    long vectors = vectors(manifest, split);
    Checkpoint checkpoint = trained.checkpoint();
    List<String> described = manifest.columns().stream().map(Column::name).toList();
    List<String> read =
        new ArrayList<>(
            List.of(Columns.SAMPLE_ID, Columns.SPLIT, Columns.IMAGE_PATH, SplitAssigner.POSITION));
    read.addAll(described);
    int first = read.size();
    read.addAll(List.of(Columns.EMBEDDING, Columns.MASK));
    Broadcast<Models> models = trained.broadcast(spark);
    List<Column> columns = manifest.columns();
    JavaRDD<Row> rows =
        new SplitAssigner(session, trained.embeddings(), checkpoint.settings().data())
            .rows(split)
            .select(
                read.stream()
                    .map(org.apache.spark.sql.functions::col)
                    .toArray(org.apache.spark.sql.Column[]::new))
            .toJavaRDD()
            .mapPartitions(
                samples ->
                    new MappedRows(
                        samples, () -> new Scores(models.value(), columns, first, vectors)));
    return spark.createDataFrame(
        Stages.computing(rows),
        SampleTable.schema(checkpoint.classNames(), manifest.columns())
            .add(DRAWN, DataTypes.createArrayType(PAIR, false)));
  }

  /** Scores one row after the other. */
  private static final class Scores implements MappedRows.Mapping {
    private final int described;
    private final long vectors;
    private final List<String> classes;
    private final Function<Score, List<Object>> rows;
    private final Batch.Layout layout;
    private final BitPacking packing;
    private final Predictor predictor;
    private final Predictor baseline;

    Scores(Models models, List<Column> columns, int described, long vectors) {
      this.described = described;
      this.vectors = vectors;
      this.classes = models.checkpoint().classNames();
      this.rows = SampleTable.rows(classes, columns);
      this.layout = models.checkpoint().layout();
      this.packing = packing(models.checkpoint().model().quantizer().codebookSizes());
      this.predictor = new Predictor(models.checkpoint());
      this.baseline = models.baseline() == null ? null : new Predictor(models.baseline());
    }

    @Override
    public Row map(Row row) {
      byte[] mask = row.getAs(Columns.MASK);
      Example example = new Example(row.getString(0), row.getAs(Columns.EMBEDDING), mask);
      int[] places = places(example.id());
      Prediction prediction = predictor.predict(example, places);
      Kept kept = prediction.kept();
      int[] codes = prediction.codes();
      int floatBytes = layout.floatBytes();
      Score score =
          new Score(
              IntStream.range(0, described).mapToObj(row::get).collect(Collectors.toList()),
              ConfusionMatrix.of(classes.size(), mask, prediction.mask()),
              SampleTable.subject(classes),
              floatBytes,
              packing == null ? 8L * floatBytes : packing.width(codes.length),
              packing == null ? floatBytes : packing.bytes(codes.length),
              codes,
              kept == null ? null : kept.error(),
              kept == null ? null : kept.cosine(),
              baseline == null
                  ? null
                  : ConfusionMatrix.of(classes.size(), mask, baseline.predict(example).mask()));
      List<Object> values = rows.apply(score);
      values.add(kept == null ? null : pairs(example.id(), places, kept));
      return RowFactory.create(values.toArray());
    }

    /** A vector's name: the sample's id, and its place in the grid. */
    private static String name(String id, int place) {
      return id + "/" + place;
    }

    private int[] places(String id) {
      return IntStream.range(0, layout.height() * layout.width())
          .filter(
              place ->
                  Recall.Draw.USUAL.searched(name(id, place), vectors)
                      || Recall.Draw.USUAL.asked(name(id, place), vectors))
          .toArray();
    }

    private static Row[] pairs(String id, int[] places, Kept kept) {
      Row[] pairs = new Row[places.length];
      for (int i = 0; i < places.length; i++) {
        pairs[i] =
            RowFactory.create(
                name(id, places[i]), kept.vectors()[i], kept.located()[i], kept.decoded()[i]);
      }
      return pairs;
    }

    /** Null without quantization. */
    private static BitPacking packing(int[] levels) {
      return levels.length == 0 ? null : new BitPacking(levels);
    }
  }
}
