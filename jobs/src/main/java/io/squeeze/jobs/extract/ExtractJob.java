package io.squeeze.jobs.extract;

import ai.djl.Device;
import io.squeeze.backbone.Backbone;
import io.squeeze.backbone.BackboneFile;
import io.squeeze.backbone.Grid;
import io.squeeze.backbone.SlidingWindows;
import io.squeeze.config.ExtractSettings;
import io.squeeze.config.ExtractSettings.Pool;
import io.squeeze.config.ImageSettings;
import io.squeeze.config.Settings;
import io.squeeze.config.SqueezeException;
import io.squeeze.dataset.Datasets;
import io.squeeze.dataset.PhotoFolder;
import io.squeeze.dataset.SegmentationDataset;
import io.squeeze.jobs.console.Progress;
import io.squeeze.jobs.console.Reporter;
import io.squeeze.jobs.extract.FileResult.Tally;
import io.squeeze.jobs.model.Backbones;
import io.squeeze.jobs.model.TrainedQuantizer;
import io.squeeze.jobs.model.TrainedSegmenter;
import io.squeeze.jobs.publish.BackboneOrigin;
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
import io.squeeze.jobs.spark.PartitionInKey;
import io.squeeze.jobs.spark.SqueezeSession;
import io.squeeze.jobs.spark.Stages;
import io.squeeze.jobs.spark.Tasks;
import io.squeeze.jobs.storage.HadoopStorage;
import io.squeeze.train.Checkpoint;
import io.squeeze.weights.ElementType;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.UUID;
import java.util.function.Function;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.util.LongAccumulator;
import scala.Tuple2;

/**
 * Extracts embeddings from images, or their codes or masks directly. Every photo goes through the
 * backbone only once. The job continues an interrupted run file by file. If there are more photos,
 * it publishes a next version.
 */
public final class ExtractJob {
  private final SqueezeSession session;
  private final SparkSession spark;

  private final JavaSparkContext context;
  private final HadoopStorage storage;
  private final Reporter reporter;
  private final Backbones backbones;
  private final Settings settings;
  private final Product product;
  private final ElementType type;
  private final Publisher publisher;
  private Tally tally = Tally.NOTHING;

  /** A job that publishes embeddings. */
  public ExtractJob(SqueezeSession session, Settings settings) throws IOException {
    this(
        session,
        settings,
        backbones ->
            new Product.Embeddings(
                backbones.settings().embeddingsPath(),
                backbones.embeddingType(),
                backbones.settings().extract().pool(),
                backbones.settings().extract().pooledOnly()));
  }

  /** A job that publishes the codes that a quantizer gives the embeddings. */
  public ExtractJob(SqueezeSession session, Settings settings, TrainedQuantizer quantizer)
      throws IOException {
    this(session, settings, backbones -> new Product.Codes(quantizer));
  }

  /** A job that publishes the masks that a head gives the embeddings. */
  public ExtractJob(SqueezeSession session, Settings settings, TrainedSegmenter segmenter)
      throws IOException {
    this(
        session,
        settings,
        backbones ->
            new Product.Masks(
                segmenter, PhotoPreparation.of(backbones.settings().image()).square()));
  }

  private ExtractJob(SqueezeSession session, Settings given, Function<Backbones, Product> product)
      throws IOException {
    this.session = session;
    this.spark = session.spark();
    this.context = JavaSparkContext.fromSparkContext(session.spark().sparkContext());
    this.storage = session.storage();
    this.reporter = session.reporter();
    this.backbones = new Backbones(storage, given, reporter);
    this.settings = backbones.settings();
    this.product = product.apply(backbones);
    this.type = backbones.embeddingType();
    if (settings.extract().pool() != Pool.NONE && !(this.product instanceof Product.Embeddings)) {
      throw SqueezeException.configuration(
          "extract.pool (--pool) is for embeddings: " + this.product.option() + " has none");
    }
    this.publisher =
        new Publisher(
            storage, reporter, this.product.path(), this.product.table(), this.product.option());
  }

  /**
   * Publishes a version, or finds that it is there.
   *
   * @throws SqueezeException of category configuration if something else is there, of category
   *     input if the data set cannot be used
   */
  public Published run() throws IOException {
    SegmentationDataset dataset = Datasets.named(storage, settings.data().dataset());
    String root = storage.qualified(dataset.root(storage, settings.data().path()));
    JobDescription.name(spark, "extract " + publisher.base(), "listing photos");
    Listing listing =
        new Listing(
            session,
            dataset,
            storage,
            root,
            settings.extract().photos(),
            settings.data().splitSeed());
    Listing.Summary summary = listing.summary();
    if (summary.total() == 0) {
      throw SqueezeException.input(
          dataset.name().equals(PhotoFolder.NAME)
              ? "No photos in " + root + ", which should be a folder of them (--data_path)"
              : "The lists of " + root + " name no samples (--data_path)");
    }
    Backbones.Shipped shipped = backbones.ship(spark);
    product.check("--model " + shipped.file().name(), shipped.sha256());
    Map<String, String> asked = asked(dataset, summary, shipped);
    Publication publication;
    try (SourceFiles sources = listing.sources()) {
      identify(asked, sources);
      publication =
          publisher.run(
              asked,
              List.of(Manifest.LISTS, Manifest.FILES),
              next -> {
                Source source =
                    new Source(
                        dataset,
                        root,
                        shipped,
                        asked,
                        summary.rows(),
                        next.before(),
                        listing.photoTable());
                return extract(next, source, listing, sources);
              });
    }
    if (publication.fresh()) {
      report(publication.version());
    }
    return publication.version();
  }

  /**
   * What is read, and how; {@code counts} are listed samples by split, {@code before} is the
   * version that this one adds to, {@code photos} the table that holds them, or null.
   */
  private record Source(
      SegmentationDataset dataset,
      String root,
      Backbones.Shipped shipped,
      Map<String, String> asked,
      Map<Integer, Long> counts,
      Optional<Published> before,
      Manifest.PhotoTable photos) {

    /** Whether every listed sample is extracted, so that its place in the list is its rank. */
    boolean whole(Settings settings) {
      return before.isEmpty() && settings.extract().photos() == null;
    }
  }

  private Map<String, String> asked(
      SegmentationDataset dataset, Listing.Summary summary, Backbones.Shipped shipped) {
    Map<String, String> asked = new TreeMap<>();
    asked.putAll(
        new BackboneOrigin(
                shipped.file().name(),
                shipped.sha256(),
                shipped.weights(),
                shipped.file().precision().toString(),
                settings.backbone().layout().text(),
                settings.backbone().prefixTokens())
            .settings());
    asked.put(Manifest.DATASET, dataset.name());
    if (!dataset.version().isEmpty()) {
      asked.put("data.declaration", BackboneFile.digest(dataset.version()));
    }
    asked.put(Manifest.LISTS, summary.fingerprint());
    asked.put("extract.embedding-dtype", dtype());
    asked.putAll(PhotoPreparation.of(settings.image()).settings());
    asked.putAll(product.settings());
    return asked;
  }

  private String dtype() {
    return type == ElementType.F16 ? "float16" : "float32";
  }

  /** Adds what tells that a file changed, but where a version of 0.1.0 cannot be compared. */
  private void identify(Map<String, String> asked, SourceFiles sources) throws IOException {
    Map<String, String> held =
        publisher.current().map(version -> version.manifest().settings()).orElse(null);
    boolean older =
        held != null
            && !held.containsKey(Manifest.FILES)
            && asked.get(Manifest.LISTS).equals(held.get(Manifest.LISTS));
    if (older) {
      reporter.say(
          publisher.base() + " does not say which files it was made from: they are not compared");
    } else {
      asked.put(Manifest.FILES, sources.fingerprint());
    }
  }

  private Publisher.Draft extract(
      Publisher.Next next, Source source, Listing listing, SourceFiles sources) throws IOException {
    reportUnlisted(listing);
    PreviousVersion growth = new PreviousVersion(session, source.dataset(), source.before());
    Dataset<Row> rows = growth.unseen(listing.rows());
    if (source.before().isPresent()) {
      sources.check(source.before().get(), settings.extract().ignoreChangedFiles());
    }
    Map<Integer, Long> counts = source.before().isEmpty() ? source.counts() : counts(rows);
    long total = counts.values().stream().mapToLong(Long::longValue).sum();
    Grid grid = probe(source.shipped());
    reportWindows(grid);
    FilePlan plan = plan(source, counts, growth.firstNumbers(), grid);
    // Not of the files: a run that ended goes on where a rejected photo was mended.
    Map<String, String> lasting = new TreeMap<>(source.asked());
    lasting.remove(Manifest.FILES);
    String key = BackboneFile.digest(lasting + "\n" + plan).substring(0, 16);
    Place place = next.resumed(key);
    sources.dropChanged(place);
    Earlier left = Earlier.in(place);
    List<DataFile> sourceFiles = sources.write(place.rows(), total);
    String run = UUID.randomUUID().toString().substring(0, 8);
    List<FileResult> written =
        new ArrayList<>(
            growth.taken(before -> new FileCopy(storage, before, place.rows(), run, left)));
    JobDescription.name(spark, "extract " + publisher.base(), "backbone over " + total + " photos");
    written.addAll(extracted(source, rows, plan, place, left, run, total));
    JobDescription.name(spark, "extract " + publisher.base(), "publishing");
    Rejects rejects = new Rejects(session, place, written);
    rejects.check(total, growth.rows(), settings.data().maxBadFraction());
    rejects.complete();
    List<DataFile> files = new ArrayList<>(written.stream().map(FileResult::rows).toList());
    files.addAll(product.beside(storage, place.rows()));
    files.addAll(sourceFiles);
    files.sort(Comparator.comparing(DataFile::path));
    Manifest manifest = manifest(source, files, rejects.count(), grid);
    tally = Tally.sum(written);
    return new Publisher.Draft(place, manifest, List.of(Rejects.TABLE));
  }

  private void reportWindows(Grid grid) {
    ImageSettings image = settings.image();
    if (image.windows() == null) {
      return;
    }
    SlidingWindows sliding = SlidingWindows.over(grid, image.size(), image.windows());
    reporter.say(
        "%d windows of %d pixels for each photo, every %d pixels%s"
            .formatted(
                sliding.count(),
                sliding.side(),
                sliding.stride(),
                sliding.stride() == image.windows().stride()
                    ? ""
                    : " (%d is no whole number of the grid's cells of %d)"
                        .formatted(image.windows().stride(), sliding.cell())));
  }

  private static Map<Integer, Long> counts(Dataset<Row> rows) {
    Map<Integer, Long> counts = new TreeMap<>();
    rows.groupBy(Columns.SPLIT_INDEX)
        .count()
        .collectAsList()
        .forEach(row -> counts.put(row.getInt(0), row.getLong(1)));
    return counts;
  }

  private void reportUnlisted(Listing listing) throws IOException {
    List<Row> unlisted = listing.unlisted().limit(6).collectAsList();
    if (!unlisted.isEmpty()) {
      List<String> names = unlisted.stream().limit(5).map(r -> r.getString(0)).toList();
      reporter.warn(
          "Image files that no list names are left out: "
              + String.join(", ", names)
              + (unlisted.size() > 5 ? ", …" : ""));
    }
  }

  /** Loads the backbone in a task, where its device and natives are: fails early, and once. */
  private Grid probe(Backbones.Shipped shipped) {
    ExtractSettings own = settings.extract();
    return Stages.computing(
            context.parallelize(List.of(shipped), 1).map(backbone -> checked(backbone, own)))
        .first();
  }

  private static Grid checked(Backbones.Shipped shipped, ExtractSettings own) {
    Device device = Tasks.startBackbone();
    Backbone backbone = shipped.load(device);
    int batch = own.batchSize(device.isGpu());
    if (batch > backbone.mostImages()) {
      throw SqueezeException.input(
          ("The backbone takes one image at a time (--model), but --extract_batch_size is %d: trace"
                  + " it with a batch of two, or set --extract_batch_size 1")
              .formatted(batch));
    }
    return backbone.grid();
  }

  private FilePlan plan(
      Source source, Map<Integer, Long> counts, List<Integer> firstNumbers, Grid grid) {
    return FilePlan.of(
        product.folder(),
        source.dataset().splits(),
        counts,
        firstNumbers,
        settings.extract(),
        product.rowBytes(grid, settings.image().size()));
  }

  private List<FileResult> extracted(
      Source source,
      Dataset<Row> rows,
      FilePlan plan,
      Place place,
      Earlier left,
      String run,
      long total)
      throws IOException {
    if (plan.files() == 0) {
      return List.of();
    }
    LongAccumulator seen = spark.sparkContext().longAccumulator("images");
    Broadcast<Checkpoint> checkpoint =
        product.checkpoint() == null ? null : context.broadcast(product.checkpoint());
    ExtractTask task =
        new ExtractTask(
            source.dataset(),
            storage,
            source.root(),
            settings,
            source.shipped(),
            plan,
            place.rows(),
            place.beside(Rejects.TABLE),
            run,
            left,
            product.form(type, checkpoint),
            seen);
    reporter.say(
        String.format(
            Locale.ROOT,
            "Extracting %d images of %s with %s into %s%s",
            total,
            source.root(),
            source.shipped().file().name(),
            place.version(),
            left.files().isEmpty()
                ? ""
                : ", where an earlier run left " + left.files().size() + " files"));
    try (Progress progress = new Progress(reporter, "extract", "images", total, seen::value)) {
      List<FileResult> written =
          Stages.computing(
                  (source.whole(settings) ? inPlace(rows, plan) : numbered(rows, plan))
                      .mapToPair(row -> row)
                      .repartitionAndSortWithinPartitions(new PartitionInKey(plan.files()))
                      .mapPartitions(task))
              .collect();
      Tally tally = Tally.sum(written);
      double seconds = progress.seconds();
      reporter.say(
          String.format(
              Locale.ROOT,
              "Extracted %d images in %.1f s, %.1f images/s, %s; %s",
              tally.images(),
              seconds,
              tally.images() / seconds,
              Limits.decoder(tally),
              Limits.of(tally, seconds)));
      Versions.writeMetrics(storage, place.version(), tally.metrics(seconds));
      return written;
    }
  }

  private static JavaRDD<Tuple2<Long, Row>> inPlace(Dataset<Row> rows, FilePlan plan) {
    return rows.toJavaRDD().map(row -> new Tuple2<>(plan.key(row.getInt(0), row.getLong(1)), row));
  }

  /** Each row with its file and its place there, from its rank within its split. */
  private static JavaRDD<Tuple2<Long, Row>> numbered(Dataset<Row> rows, FilePlan plan) {
    List<Long> before = new ArrayList<>();
    long sum = 0;
    for (long count : plan.rows()) {
      before.add(sum);
      sum += count;
    }
    return rows.orderBy(Columns.SPLIT_INDEX, Listing.ORDINAL)
        .toJavaRDD()
        .zipWithIndex()
        .map(
            ranked -> {
              int split = ranked._1().getInt(0);
              return new Tuple2<>(plan.key(split, ranked._2() - before.get(split)), ranked._1());
            });
  }

  private Manifest manifest(Source source, List<DataFile> files, long rejected, Grid grid) {
    SegmentationDataset dataset = source.dataset();
    Checkpoint masks = product.table().equals(Manifest.PREDICTIONS) ? product.checkpoint() : null;
    return new Manifest(
        Manifest.SCHEMA_VERSION,
        product.table(),
        source.asked(),
        dtype(),
        backbones.weightsPath(),
        source.root(),
        masks == null ? dataset.classes() : masks.classNames(),
        masks == null ? dataset.palette() : masks.palette(),
        dataset.columns(),
        dataset.stratum(),
        dataset.splits(),
        VersionTables.rows(dataset.splits(), files),
        rejected,
        grid.channels(),
        grid.height(),
        grid.width(),
        settings.image().size(),
        source.photos(),
        null,
        files);
  }

  private void report(Published published) {
    Manifest manifest = published.manifest();
    reporter.say(
        "Published %s: %s rows of %sx%sx%s %s, %s rejects"
            .formatted(
                published.path(),
                manifest.rows(),
                manifest.channels(),
                manifest.gridHeight(),
                manifest.gridWidth(),
                product.said(),
                manifest.rejected()));
    if (tally.rounding().images() > 0) {
      reporter.say(
          String.format(
              Locale.ROOT,
              "float16 costs a relative error of %.2e (root mean square); --embedding_dtype float32"
                  + " stores features as they are, in twice the bytes",
              tally.rounding().relative()));
    }
    if (tally.scaling().images() > 0) {
      reporter.say(
          String.format(
              Locale.ROOT,
              "--decode scaled moves features by a relative error of %.2e (root mean square of %d"
                  + " photos that were decoded in full, too)",
              tally.scaling().relative(),
              tally.scaling().images()));
    }
    if (tally.warned() > 0) {
      reporter.warn(
          tally.warned()
              + " photos are slightly damaged and were decoded as far as they go, for instance "
              + tally.warning());
    }
  }
}
