package io.squeeze.jobs.predict;

import static org.apache.spark.sql.functions.avg;
import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.sum;

import io.squeeze.config.Settings;
import io.squeeze.config.SqueezeException;
import io.squeeze.dataset.PhotoFolder;
import io.squeeze.dataset.SegmentationDataset;
import io.squeeze.image.SquareCrop;
import io.squeeze.jobs.extract.ExtractJob;
import io.squeeze.jobs.model.MappedRows;
import io.squeeze.jobs.model.Segmenter;
import io.squeeze.jobs.model.TrainedQuantizer;
import io.squeeze.jobs.model.TrainedSegmenter;
import io.squeeze.jobs.publish.Columns;
import io.squeeze.jobs.publish.DataFile;
import io.squeeze.jobs.publish.Manifest;
import io.squeeze.jobs.publish.Place;
import io.squeeze.jobs.publish.Publisher;
import io.squeeze.jobs.publish.Publisher.Publication;
import io.squeeze.jobs.publish.Tables;
import io.squeeze.jobs.publish.VersionTables;
import io.squeeze.jobs.publish.Versions;
import io.squeeze.jobs.publish.Versions.Published;
import io.squeeze.jobs.spark.JobDescription;
import io.squeeze.jobs.spark.SqueezeSession;
import io.squeeze.jobs.spark.Stages;
import io.squeeze.segment.PredictedMask;
import io.squeeze.train.Checkpoint;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.types.StructType;

/**
 * Gives masks to photos: from the photos themselves, from their embeddings, or from their codes.
 * Photos need no masks of their own.
 */
public final class PredictJob {
  /** What Parquet leaves of a mask, about. */
  private static final int MASK_COMPRESSION = 10;

  private final SqueezeSession session;
  private final TrainedSegmenter segmenter;

  /**
   * A job that publishes the masks of a trained head.
   *
   * @param segmenter the head, and the data set that masks are written to
   */
  public PredictJob(SqueezeSession session, TrainedSegmenter segmenter) {
    this.session = session;
    this.segmenter = segmenter;
  }

  /**
   * Reads photos through the backbone; see {@link ExtractJob}, which continues, grows and rejects
   * in the same way.
   *
   * @param settings of the photos and of the backbone
   */
  public Published photos(Settings settings) throws IOException {
    String photos = session.storage().qualified(settings.data().path());
    String out = session.storage().qualified(segmenter.out());
    if (settings.data().dataset().equals(PhotoFolder.NAME) && out.startsWith(photos + "/")) {
      throw SqueezeException.usage(
          "%s lies in the folder of the photos, %s, so its pictures would be photos: name another (--out)"
              .formatted(out, photos));
    }
    return reported(new ExtractJob(session, settings, segmenter).run());
  }

  /**
   * Reads published embeddings.
   *
   * @param split one of the data set's own; null: all
   * @throws SqueezeException of category input if there are none, or of another backbone
   */
  public Published embeddings(String path, String split) throws IOException {
    return stored(Versions.embeddings(session.storage(), path), split, Columns.EMBEDDING);
  }

  /**
   * Reads published codes of the same checkpoint.
   *
   * @param split one of the data set's own; null: all
   * @throws SqueezeException of category input if there are none, or of another checkpoint
   */
  public Published codes(String path, String split) throws IOException {
    Published codes = Versions.codes(session.storage(), path, "--codes");
    TrainedQuantizer.checkMaker(codes, segmenter.path(), segmenter.sha256());
    return stored(codes, split, Columns.CODES);
  }

  private Published stored(Published source, String split, String column) throws IOException {
    Manifest like = source.manifest();
    segmenter.check(source.path(), like.backbone().sha256());
    List<String> splits = split == null ? like.splits() : List.of(split);
    if (!like.splits().containsAll(splits)) {
      throw SqueezeException.usage(
          "%s has the splits %s, not %s (--split)".formatted(source.path(), like.splits(), split));
    }
    Map<String, String> asked = new TreeMap<>(like.settings());
    asked.putAll(segmenter.settings());
    // Masks of codes are those of the embeddings, however the codes are stored.
    asked.keySet().removeAll(List.of("codec", TrainedQuantizer.BEAM));
    if (split != null) {
      asked.put(TrainedSegmenter.SPLIT, split);
    }
    Publisher publisher =
        new Publisher(
            session.storage(), session.reporter(), segmenter.out(), Manifest.PREDICTIONS, "--out");
    Publication publication =
        publisher.run(
            asked,
            List.of(Manifest.LISTS, Manifest.FILES),
            next -> {
              String job = "predict " + publisher.base();
              JobDescription.name(session.spark(), job, "masks of " + source.path());
              Place place = next.fresh();
              for (String name : splits) {
                write(source, name, column, place.rows());
              }
              List<DataFile> files = VersionTables.files(session, place.rows());
              Map<String, Long> rows = VersionTables.rows(splits, files);
              return new Publisher.Draft(
                  place, segmenter.manifest(like, asked, splits, rows, files), List.of());
            });
    if (publication.fresh()) {
      long photos = publication.version().manifest().samples();
      session
          .reporter()
          .say(
              String.format(
                  Locale.ROOT,
                  "Published %s: %d masks in %.1f s, %.1f masks/s",
                  publication.version().path(),
                  photos,
                  publication.seconds(),
                  photos / publication.seconds()));
    }
    return reported(publication.version());
  }

  /** Masks of a split, in files whose rows do not depend on how the source is partitioned. */
  private void write(Published source, String split, String column, String folder) {
    Manifest like = source.manifest();
    long pixels =
        segmenter.original()
            ? pixels(source, split)
            : like.rows().get(split) * like.size() * like.size();
    VersionTables.writeById(
        masks(source, split, column).drop(Columns.SPLIT), pixels / MASK_COMPRESSION, folder, split);
  }

  /** Pixels of all photos of a split. */
  private long pixels(Published source, String split) {
    Column each = col(Columns.HEIGHT).cast("long").multiply(col(Columns.WIDTH));
    Row sum = source.read(session.spark(), split).agg(sum(each)).first();
    return sum.isNullAt(0) ? 0 : sum.getLong(0);
  }

  private Dataset<Row> masks(Published source, String split, String column) {
    Manifest like = source.manifest();
    StructType schema = Columns.predictions(like.columns(), segmenter.classes()).withSplit();
    SquareCrop crop = segmenter.original() ? like.preparation().square() : null;
    Broadcast<Checkpoint> sent =
        JavaSparkContext.fromSparkContext(session.spark().sparkContext())
            .broadcast(segmenter.checkpoint());
    List<Column> read = new ArrayList<>();
    for (String name :
        List.of(
            Columns.SAMPLE_ID,
            Columns.SPLIT,
            Columns.IMAGE_PATH,
            Columns.HEIGHT,
            Columns.WIDTH,
            column)) {
      read.add(col(name));
    }
    for (SegmentationDataset.Column own : like.columns()) {
      read.add(Tables.quoted(own.name()));
    }
    boolean coded = column.equals(Columns.CODES);
    JavaRDD<Row> rows =
        source
            .read(session.spark(), split)
            .select(read.toArray(Column[]::new))
            .toJavaRDD()
            .mapPartitions(
                part ->
                    new MappedRows(
                        part,
                        () -> {
                          Segmenter open = Segmenter.inTask(sent.value(), crop);
                          return row ->
                              MappedRows.row(schema, row, open.cells(mask(open, row, coded)));
                        }));
    return session.spark().createDataFrame(Stages.computing(rows), schema);
  }

  private static PredictedMask mask(Segmenter segmenter, Row row, boolean coded) {
    int height = row.getAs(Columns.HEIGHT);
    int width = row.getAs(Columns.WIDTH);
    if (!coded) {
      return segmenter.ofFeatures(row.<byte[]>getAs(Columns.EMBEDDING), height, width);
    }
    int[] codes = MappedRows.codes(row, row.fieldIndex(Columns.CODES));
    return segmenter.ofCodes(codes, height, width);
  }

  /**
   * The same masks as PNG files with a palette, {@code png/v1/SAMPLE_ID.png}.
   *
   * @return the folder of the files
   */
  public String pictures(Published predictions) throws IOException {
    return new MaskPictures(session, predictions).write();
  }

  /** Says what the masks show, on average. */
  private Published reported(Published published) {
    List<String> classes = published.manifest().classes();
    List<Column> means = new ArrayList<>();
    classes.forEach(name -> means.add(avg(Tables.quoted(Columns.SHARE + name))));
    means.add(avg(Columns.OUTSIDE));
    Row row =
        published
            .read(session.spark())
            .agg(avg(Columns.CONFIDENCE), means.toArray(Column[]::new))
            .first();
    if (row.isNullAt(0)) {
      return published;
    }
    String shares =
        IntStream.range(0, classes.size())
            .mapToObj(
                k ->
                    String.format(
                        Locale.ROOT, "%s %.1f %%", classes.get(k), 100 * row.getDouble(k + 1)))
            .collect(Collectors.joining(", "));
    session
        .reporter()
        .result(
            String.format(
                Locale.ROOT, "Mean shares: %s; mean confidence %.3f", shares, row.getDouble(0)));
    double outside = row.getDouble(classes.size() + 1);
    if (outside > 0) {
      session
          .reporter()
          .result(
              String.format(
                  Locale.ROOT,
                  "%.1f %% of a photo lie outside the crop on average: these pixels are %d",
                  100 * outside,
                  PredictedMask.OUTSIDE));
    }
    return published;
  }
}
