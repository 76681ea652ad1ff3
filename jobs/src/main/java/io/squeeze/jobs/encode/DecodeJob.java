package io.squeeze.jobs.encode;

import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.lit;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.squeeze.backbone.BackboneFile;
import io.squeeze.codec.CodeCodec;
import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.model.LoadedModel;
import io.squeeze.jobs.model.MappedRows;
import io.squeeze.jobs.model.TrainedQuantizer;
import io.squeeze.jobs.publish.Columns;
import io.squeeze.jobs.publish.DataFile;
import io.squeeze.jobs.publish.Manifest;
import io.squeeze.jobs.publish.PhotoPreparation;
import io.squeeze.jobs.publish.Place;
import io.squeeze.jobs.publish.Publisher;
import io.squeeze.jobs.publish.Publisher.Publication;
import io.squeeze.jobs.publish.VersionTables;
import io.squeeze.jobs.publish.Versions;
import io.squeeze.jobs.publish.Versions.Published;
import io.squeeze.jobs.spark.JobDescription;
import io.squeeze.jobs.spark.SqueezeSession;
import io.squeeze.jobs.spark.Stages;
import io.squeeze.jobs.storage.HadoopStorage;
import io.squeeze.torch.Torch;
import io.squeeze.train.Checkpoint;
import java.io.IOException;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.StructType;

/** Published codes and their checkpoint to embeddings as the quantizer reconstructs them. */
public final class DecodeJob {
  private static final long BYTES_PER_FILE = 128L << 20;

  private static final Column NO_MASK = lit(new byte[0]);

  private final SqueezeSession session;
  private final SparkSession spark;
  private final Checkpoint checkpoint;
  private final Published codes;
  private final Published masks;
  private final String target;
  private final int all;
  private final int levels;

  /**
   * What is to be decoded.
   *
   * @param codes data set of codes
   * @param checkpoint the checkpoint that must have encoded the codes; null: no check
   * @param embeddings data set to write
   * @param masks embeddings that have the masks of the same samples; null for none
   * @param levels how many levels are decoded; null: all
   */
  public record Request(
      String codes, String checkpoint, String embeddings, String masks, Integer levels) {}

  /**
   * A job that decodes published codes with the quantizer beside them.
   *
   * @throws SqueezeException of category input if the codes are another checkpoint's, or damaged
   */
  public DecodeJob(SqueezeSession session, Request request) throws IOException {
    HadoopStorage storage = session.storage();
    String checkpoint = request.checkpoint();
    this.session = session;
    this.spark = session.spark();
    this.codes = Versions.codes(storage, request.codes(), "--codes");
    this.masks = request.masks() == null ? null : Versions.embeddings(storage, request.masks());
    this.target = request.embeddings();
    if (checkpoint != null) {
      TrainedQuantizer asked = TrainedQuantizer.open(storage, request.codes(), checkpoint, null);
      TrainedQuantizer.checkMaker(this.codes, checkpoint, asked.sha256());
    }
    this.checkpoint = TrainedQuantizer.beside(storage, this.codes).checkpoint();
    this.all = this.checkpoint.model().quantizer().codebookSizes().length;
    this.levels = request.levels() == null ? all : request.levels();
    if (levels < 1 || levels > all) {
      throw SqueezeException.usage(
          "%s has %d levels: the first %d of them cannot be decoded (--levels)"
              .formatted(this.codes.path(), all, levels));
    }
    if (this.masks != null) {
      List<String> others =
          this.masks.manifest().differences(this.codes.manifest().settings()).stream()
              .filter(line -> line.startsWith(PhotoPreparation.PREFIX))
              .toList();
      if (!others.isEmpty()) {
        throw SqueezeException.input(
            this.masks.path()
                + " has masks of photos that were prepared differently ("
                + String.join("; ", others)
                + ") (--masks)");
      }
    }
    if (this.masks != null
        && !Objects.equals(
            this.masks.manifest().backbone().sha256(), this.codes.manifest().backbone().sha256())) {
      throw SqueezeException.input(
          this.masks.path() + " holds embeddings of another backbone (--masks)");
    }
  }

  /**
   * Publishes a version, or finds that it is there.
   *
   * @throws SqueezeException of category configuration if other embeddings are there
   */
  public Published run() throws IOException {
    Map<String, String> settings = new TreeMap<>(codes.manifest().settings());
    // The settings of the codes get their own names, because these embeddings can be encoded again.
    settings.remove("codec");
    settings.remove(Manifest.POOL);
    for (String key : List.of(TrainedQuantizer.CHECKPOINT, TrainedQuantizer.BEAM)) {
      settings.put("decoded." + key, settings.remove(key));
    }
    if (levels < all) {
      settings.put("decoded.levels", Integer.toString(levels));
    }
    settings.put(
        "masks",
        masks == null ? "none" : BackboneFile.digest(masks.manifest().settings().toString()));
    Publisher publisher =
        new Publisher(
            session.storage(), session.reporter(), target, Manifest.EMBEDDINGS, "--embeddings");
    Publication publication =
        publisher.run(
            settings,
            List.of(Manifest.LISTS, Manifest.FILES, "masks"),
            next -> {
              JobDescription.name(
                  spark, "embeddings " + publisher.base(), "writing " + next.name());
              Place place = next.fresh();
              Manifest manifest = write(settings, place.rows());
              return new Publisher.Draft(place, manifest, List.of());
            });
    if (publication.fresh()) {
      report(publication.version(), publication.seconds());
    }
    return publication.version();
  }

  private Manifest write(Map<String, String> settings, String folder) throws IOException {
    checkMasks();
    for (String split : codes.manifest().splits()) {
      VersionTables.write(rows(split), folder, split);
    }
    List<DataFile> files = VersionTables.files(session, folder);
    Map<String, Long> rows = VersionTables.rows(codes.manifest().splits(), files);
    return codes.manifest().embeddings(settings, rows, files);
  }

  private void checkMasks() {
    if (masks == null) {
      return;
    }
    String[] key = {Columns.SAMPLE_ID, Columns.SPLIT};
    long missing = codes.read(spark).join(masks.read(spark), key, "left_anti").count();
    if (missing > 0) {
      throw SqueezeException.input(
          masks.path() + " lacks " + missing + " samples of " + codes.path() + " (--masks)");
    }
  }

  private void report(Published published, double seconds) {
    Manifest manifest = published.manifest();
    session
        .reporter()
        .say(
            String.format(
                Locale.ROOT,
                "Published %s: %d rows in %.1f s, %.0f vectors/s",
                published.path(),
                manifest.samples(),
                seconds,
                manifest.samples() * manifest.positions() / seconds));
  }

  private Dataset<Row> rows(String split) {
    StructType written = Columns.embeddings(codes.manifest().columns()).schema();
    Broadcast<Checkpoint> sent =
        JavaSparkContext.fromSparkContext(spark.sparkContext()).broadcast(checkpoint);
    long rows = codes.manifest().rows().get(split);
    long bytes = rows * codes.manifest().positions() * codes.manifest().channels() * 4;
    int first = levels;
    JavaRDD<Row> decoded =
        withMasks(split)
            // The shuffle moves codes, which are smaller than the decoded features.
            .repartition((int) Math.max(1, bytes / BYTES_PER_FILE), col(Columns.SAMPLE_ID))
            .sortWithinPartitions(Columns.SAMPLE_ID)
            .toJavaRDD()
            .mapPartitions(
                part ->
                    MappedRows.by(
                        sent, (loaded, row) -> decoded(written, loaded, row, first), part));
    return spark.createDataFrame(Stages.computing(decoded), written);
  }

  private Dataset<Row> withMasks(String split) {
    Dataset<Row> rows = codes.read(spark, split);
    if (masks == null) {
      return rows.withColumn(Columns.MASK, NO_MASK);
    }
    Dataset<Row> others = masks.read(spark, split).select(Columns.SAMPLE_ID, Columns.MASK);
    return rows.join(others, new String[] {Columns.SAMPLE_ID}, "inner");
  }

  private static Row decoded(StructType schema, LoadedModel loaded, Row row, int first) {
    int[] codes = MappedRows.codes(row, row.fieldIndex(Columns.CODES));
    byte[] embedding =
        embedding(
            loaded, codes, row.getAs(Columns.GRID_HEIGHT), row.getAs(Columns.GRID_WIDTH), first);
    return MappedRows.row(
        schema, row, Map.of(Columns.EMBEDDING, embedding, Columns.DTYPE, "float32"));
  }

  private static byte[] embedding(
      LoadedModel loaded, int[] codes, int height, int width, int first) {
    int[] levels = loaded.quantizer().codebookSizes();
    CodeCodec.check(codes, levels);
    int vectors = height * width;
    if (codes.length != vectors * levels.length) {
      throw CodeCodec.damaged(
          codes.length + " codes for a grid of " + height + " x " + width + " vectors");
    }
    long[] wide = new long[codes.length];
    // A level that is left out adds nothing.
    Arrays.setAll(wide, i -> i % levels.length < first ? codes[i] : -1);
    try (NDManager scope = loaded.manager().newSubManager()) {
      NDArray indices = scope.create(wide, new Shape(vectors, levels.length));
      NDArray grid = loaded.model().decode(indices, height, width, loaded.parameters());
      // Copied into C order: a grid is a view of its rows.
      return Torch.tensor(grid).bytes();
    }
  }
}
