package io.squeeze.jobs.model;

import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.lit;
import static org.apache.spark.sql.functions.udf;

import io.squeeze.config.ImageSettings;
import io.squeeze.config.Seeds;
import io.squeeze.config.SqueezeException;
import io.squeeze.image.BadSampleException;
import io.squeeze.image.ImageDecoder;
import io.squeeze.image.Mask;
import io.squeeze.image.RgbImage;
import io.squeeze.image.SquareCrop;
import io.squeeze.jobs.model.TrainedModels.Models;
import io.squeeze.jobs.publish.Columns;
import io.squeeze.jobs.publish.ForeignTable;
import io.squeeze.jobs.publish.Manifest;
import io.squeeze.jobs.publish.PhotoPreparation;
import io.squeeze.jobs.publish.SplitAssigner;
import io.squeeze.jobs.publish.Tables;
import io.squeeze.jobs.spark.SqueezeSession;
import io.squeeze.jobs.spark.Stages;
import io.squeeze.jobs.storage.HadoopStorage;
import io.squeeze.metric.ConfusionMatrix;
import io.squeeze.report.Picture;
import io.squeeze.storage.Storage;
import io.squeeze.train.Example;
import java.io.IOException;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Encoders;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.api.java.UDF1;
import org.apache.spark.sql.types.DataTypes;

/** Samples with their photos and the masks of models, made on the executors. */
public final class SampleDrawing {
  private static final String FILE = "_metadata.file_path";
  private static final String PHOTO = "photo";
  private static final String PHOTO_ID = "photo_id";

  private final SqueezeSession session;
  private final SparkSession spark;
  private final TrainedModels trained;
  private final Photos photos;
  private final Manifest.PhotoTable table;

  /**
   * Of some models.
   *
   * @param root where the data set's photos lie
   * @param needed whether a photo that cannot be read is an error; it is left out otherwise
   */
  public SampleDrawing(SqueezeSession session, TrainedModels trained, String root, boolean needed) {
    this.session = session;
    this.spark = session.spark();
    this.trained = trained;
    Manifest manifest = trained.embeddings().manifest();
    PhotoPreparation preparation = manifest.preparation();
    this.photos =
        new Photos(session.storage(), root, preparation.reading(), preparation.square(), needed);
    this.table = manifest.photos();
  }

  /** Ids of some of the rows, by seed. */
  public static List<String> drawn(Dataset<Row> rows, long seed, int count) {
    UDF1<String, Long> place = id -> Seeds.hash(seed, "picture", id);
    return rows.select(Columns.SAMPLE_ID)
        .orderBy(
            udf(place, DataTypes.LongType).apply(col(Columns.SAMPLE_ID)), col(Columns.SAMPLE_ID))
        .limit(count)
        .as(Encoders.STRING())
        .collectAsList();
  }

  /** A drawn sample on its way to the driver. */
  private record Drawn(String id, byte[] photo, byte[] truth, byte[] baseline, byte[] quantized)
      implements Serializable {}

  /** The samples that have these ids; all are of one split. */
  public Map<String, Picture> of(String split, Collection<String> ids) throws IOException {
    Map<String, Picture> pictures = new HashMap<>();
    if (ids.isEmpty()) {
      return pictures;
    }
    Photos source = photos;
    Dataset<Row> rows =
        trained
            .embeddings()
            .read(spark, SplitAssigner.source(trained.embeddings().manifest(), split))
            .where(col(Columns.SAMPLE_ID).isin(ids.toArray()));
    // Ids first: their column is small, and of the features only the files that hold them are read.
    Object[] files = rows.select(FILE).distinct().as(Encoders.STRING()).collectAsList().toArray();
    Broadcast<Models> models = trained.broadcast(spark);
    try {
      Stages.computing(
              withPhotos(
                      rows.where(col(FILE).isin(files))
                          .select(
                              Columns.SAMPLE_ID,
                              Columns.IMAGE_PATH,
                              Columns.EMBEDDING,
                              Columns.MASK),
                      ids)
                  .toJavaRDD()
                  .mapPartitions(samples -> drawn(models.value(), source, samples)))
          .collect()
          .forEach(drawn -> pictures.put(drawn.id(), picture(drawn)));
    } finally {
      models.destroy();
    }
    return pictures;
  }

  /** Adds the bytes of the photos, null where they are files. */
  private Dataset<Row> withPhotos(Dataset<Row> rows, Collection<String> ids) throws IOException {
    if (table == null) {
      return rows.withColumn(PHOTO, lit(null).cast(DataTypes.BinaryType));
    }
    Dataset<Row> all =
        ForeignTable.open(session, table.path(), "--dataset", List.of(table.id(), table.image()))
            .rows();
    Dataset<Row> own =
        all.select(
                Tables.id(all, table.id()).as(PHOTO_ID),
                Tables.bytes(all, table.image())
                    .orElse(lit(null).cast(DataTypes.BinaryType))
                    .as(PHOTO))
            .where(col(PHOTO_ID).isin(ids.toArray()))
            .dropDuplicates(PHOTO_ID);
    return rows.join(own, col(Columns.SAMPLE_ID).equalTo(col(PHOTO_ID)), "left").drop(PHOTO_ID);
  }

  private static Iterator<Drawn> drawn(Models models, Photos photos, Iterator<Row> samples) {
    List<Drawn> drawn = new ArrayList<>();
    if (samples.hasNext()) {
      Predictor quantized = new Predictor(models.checkpoint());
      Predictor baseline = models.baseline() == null ? null : new Predictor(models.baseline());
      while (samples.hasNext()) {
        Row row = samples.next();
        Example example = new Example(row.getString(0), row.getAs(2), row.getAs(3));
        drawn.add(
            new Drawn(
                example.id(),
                photos.crop(row.getString(1), row.getAs(4)),
                example.mask(),
                baseline == null ? null : baseline.predict(example).mask(),
                quantized.predict(example).mask()));
      }
    }
    return drawn.iterator();
  }

  private Picture picture(Drawn drawn) {
    int side = trained.embeddings().manifest().size();
    return new Picture(
        drawn.id(),
        drawn.photo() == null ? null : new RgbImage(side, side, drawn.photo()),
        new Mask(side, side, drawn.truth()),
        drawn.baseline() == null ? null : new Mask(side, side, drawn.baseline()),
        new Mask(side, side, drawn.quantized()),
        iou(drawn.truth(), drawn.baseline()),
        iou(drawn.truth(), drawn.quantized()));
  }

  private double iou(byte[] truth, byte[] mask) {
    int classes = trained.checkpoint().classNames().size();
    return mask == null ? Double.NaN : ConfusionMatrix.of(classes, truth, mask).meanIou();
  }

  /** Reads photos again, since embeddings do not keep them. */
  private record Photos(
      HadoopStorage storage, String root, ImageSettings limits, SquareCrop square, boolean needed)
      implements Serializable {

    byte[] crop(String path, byte[] bytes) {
      ImageDecoder decoder = new ImageDecoder(limits);
      try {
        byte[] file =
            bytes == null
                ? decoder.read(storage, Storage.join(root, path))
                : decoder.checked(bytes, path);
        return square.apply(decoder.decodeRgb(file)).data();
      } catch (BadSampleException e) {
        if (!needed) {
          return null;
        }
        throw SqueezeException.input(
            "Cannot read the photo %s (%s): if the data set moved, set --data_path"
                .formatted(Storage.join(root, path), e.getMessage()));
      }
    }
  }
}
