package io.squeeze.jobs.extract;

import io.squeeze.backbone.Backbone;
import io.squeeze.config.Settings;
import io.squeeze.config.SqueezeException;
import io.squeeze.dataset.Datasets;
import io.squeeze.dataset.SegmentationDataset;
import io.squeeze.jobs.extract.ExtractTask.Written;
import io.squeeze.jobs.spark.Backbones;
import io.squeeze.jobs.spark.Columns;
import io.squeeze.jobs.spark.Console;
import io.squeeze.jobs.spark.HadoopStorage;
import io.squeeze.jobs.spark.Manifest;
import io.squeeze.jobs.spark.Manifest.DataFile;
import io.squeeze.jobs.spark.ParquetFile;
import io.squeeze.jobs.spark.PartitionInKey;
import io.squeeze.jobs.spark.Progress;
import io.squeeze.jobs.spark.Tasks;
import io.squeeze.jobs.spark.Versions;
import io.squeeze.jobs.spark.Versions.Published;
import io.squeeze.storage.Storage;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.UUID;
import java.util.stream.Stream;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.util.LongAccumulator;

/** Images to embeddings: every photo goes through the backbone once, and never again. */
public final class ExtractJob {
  private final SparkSession spark;
  private final Settings settings;
  private final HadoopStorage storage;
  private final String base;
  private final Versions versions;

  public ExtractJob(SparkSession spark, Settings settings) throws IOException {
    this.spark = spark;
    this.settings = settings;
    this.storage = new HadoopStorage(spark);
    this.versions = new Versions(storage, settings.embeddingsPath());
    this.base = versions.base();
  }

  /**
   * Publishes the embeddings, or finds that they are there.
   *
   * @throws SqueezeException of category configuration if other embeddings are there, of category
   *     input if the data set cannot be used
   */
  public Published run() throws IOException {
    SegmentationDataset dataset = Datasets.named(settings.data().dataset());
    String root = storage.qualified(dataset.root(storage, settings.data().path()));
    Listing listing = new Listing(spark, dataset, storage, root);
    Listing.Summary summary = listing.summary();
    if (summary.total() == 0) {
      throw SqueezeException.input("The lists of " + root + " name no samples (--data_path)");
    }
    Backbones.Shipped shipped = Backbones.ship(spark, storage, settings);
    Map<String, String> asked = asked(dataset, summary, shipped);
    Optional<Published> current = versions.current();
    if (current.isPresent()) {
      return found(current.get(), asked);
    }
    reportUnlisted(listing);
    Backbone backbone = shipped.load(Tasks.start());
    FilePlan plan =
        FilePlan.of(
            dataset.splits(),
            summary.rows(),
            settings.extract(),
            4L * backbone.grid().values()
                + (long) settings.image().size() * settings.image().size());
    String name = "v" + versions.next();
    String run = "_" + name + "." + UUID.randomUUID();
    Workplace place = new Workplace(name, run);
    List<Written> written;
    try {
      written = extract(listing, dataset, root, shipped, plan, place, summary.total());
    } catch (RuntimeException e) {
      storage.delete(place.rows);
      storage.delete(place.rejects);
      throw e;
    }
    checkRejects(written, place, summary.total());
    return publish(written, dataset, root, backbone, asked, place);
  }

  /** Where the rows grow until they are published. */
  private final class Workplace {
    private final String name;
    private final String rows;
    private final String rejects;

    Workplace(String name, String run) {
      this.name = name;
      this.rows = Storage.join(base, run);
      this.rejects = Storage.join(base, "rejects/" + run);
    }
  }

  private Map<String, String> asked(
      SegmentationDataset dataset, Listing.Summary summary, Backbones.Shipped shipped) {
    Map<String, String> asked = new TreeMap<>();
    asked.put("backbone.name", shipped.file().name());
    asked.put("backbone.sha256", shipped.file().digest());
    asked.put("data.dataset", dataset.name());
    asked.put("data.lists", summary.fingerprint());
    asked.put("image.size", Integer.toString(settings.image().size()));
    asked.put("image.mean", settings.image().mean().toString());
    asked.put("image.std", settings.image().std().toString());
    asked.put("image.max-pixels", Long.toString(settings.image().maxPixels()));
    asked.put("image.max-bytes", Long.toString(settings.image().maxBytes()));
    return asked;
  }

  private Published found(Published current, Map<String, String> asked) {
    List<String> differences = current.manifest().differences(asked);
    if (!differences.isEmpty()) {
      throw SqueezeException.configuration(
          "Other embeddings lie in "
              + current.path()
              + " ("
              + String.join("; ", differences)
              + "); name another folder with --embeddings");
    }
    Console.say("Embeddings are there already: " + current.path() + ", nothing to do");
    return current;
  }

  private static void reportUnlisted(Listing listing) {
    List<Row> unlisted = listing.unlisted().limit(6).collectAsList();
    if (!unlisted.isEmpty()) {
      List<String> names = unlisted.stream().limit(5).map(r -> r.getString(0)).toList();
      Console.warn(
          "Image files that no list names are left out: "
              + String.join(", ", names)
              + (unlisted.size() > 5 ? ", …" : ""));
    }
  }

  private List<Written> extract(
      Listing listing,
      SegmentationDataset dataset,
      String root,
      Backbones.Shipped shipped,
      FilePlan plan,
      Workplace place,
      long total) {
    LongAccumulator seen = spark.sparkContext().longAccumulator("images");
    ExtractTask task =
        new ExtractTask(
            dataset, storage, root, settings, shipped, plan, place.rows, place.rejects, seen);
    Console.say(
        String.format(
            Locale.ROOT,
            "Extracting %d images of %s with %s into %s",
            total,
            root,
            shipped.file().name(),
            Storage.join(base, place.name)));
    List<Written> written;
    double seconds;
    try (Progress progress = new Progress("extract", "images", total, seen::value)) {
      written =
          listing
              .rows()
              .toJavaRDD()
              .mapToPair(row -> new scala.Tuple2<>(plan.key(row.getInt(0), row.getLong(1)), row))
              .repartitionAndSortWithinPartitions(new PartitionInKey(plan.files()))
              .mapPartitions(task)
              .collect();
      seconds = progress.seconds();
    }
    Console.say(
        String.format(
            Locale.ROOT,
            "Extracted %d images in %.1f s, %.1f images/s",
            total,
            seconds,
            total / seconds));
    return written;
  }

  private static long rejected(List<Written> written) {
    return written.stream()
        .map(Written::rejects)
        .filter(Objects::nonNull)
        .mapToLong(DataFile::rows)
        .sum();
  }

  private void checkRejects(List<Written> written, Workplace place, long total) throws IOException {
    long rejected = rejected(written);
    if (rejected == 0) {
      return;
    }
    Dataset<Row> rejects =
        spark.read().parquet(Storage.join(HadoopStorage.literal(place.rejects), "*.parquet"));
    Map<String, Long> codes = new TreeMap<>();
    rejects
        .groupBy(Schemas.CODE)
        .count()
        .collectAsList()
        .forEach(row -> codes.put(row.getString(0), row.getLong(1)));
    rejects
        .select(Columns.IMAGE_PATH, Schemas.STAGE, Schemas.CODE, Schemas.MESSAGE)
        .orderBy(Columns.SAMPLE_ID)
        .limit(5)
        .collectAsList()
        .forEach(row -> Console.say("  rejected: " + row.mkString(", ")));
    String what = rejected + " of " + total + " images were rejected " + codes;
    double limit = settings.data().maxBadFraction();
    if (rejected == total || rejected > limit * total) {
      storage.delete(place.rows);
      throw SqueezeException.input(
          what
              + ", more than data.max-bad-fraction = "
              + limit
              + " allows; the rejects are listed in "
              + place.rejects);
    }
    Console.warn(what + ": " + Storage.join(base, "rejects/" + place.name));
  }

  private Published publish(
      List<Written> written,
      SegmentationDataset dataset,
      String root,
      Backbone backbone,
      Map<String, String> asked,
      Workplace place)
      throws IOException {
    List<DataFile> files =
        written.stream()
            .map(Written::embeddings)
            .sorted(Comparator.comparing(DataFile::path))
            .toList();
    Map<String, Long> rows = new TreeMap<>();
    for (String split : dataset.splits()) {
      long count =
          files.stream()
              .filter(f -> f.path().startsWith("split=" + split + "/"))
              .mapToLong(DataFile::rows)
              .sum();
      rows.put(split, count);
    }
    Manifest manifest =
        new Manifest(
            Manifest.SCHEMA_VERSION,
            asked,
            root,
            dataset.classes(),
            dataset.palette(),
            dataset.columns(),
            dataset.stratum(),
            dataset.splits(),
            rows,
            rejected(written),
            backbone.grid().channels(),
            backbone.grid().height(),
            backbone.grid().width(),
            settings.image().size(),
            files);
    publishRejects(written, place);
    deleteOrphans(place.rows, files);
    String version = Storage.join(base, place.name);
    storage.move(place.rows, version);
    storage.replace(Storage.join(version, Manifest.NAME), manifest.json());
    Console.say(
        "Published "
            + version
            + ": "
            + rows
            + " rows of "
            + backbone.grid().channels()
            + "x"
            + backbone.grid().height()
            + "x"
            + backbone.grid().width()
            + ", "
            + manifest.rejected()
            + " rejects");
    return new Published(version, manifest);
  }

  /** The table of rejects stands beside the version, empty where nothing was rejected. */
  private void publishRejects(List<Written> written, Workplace place) throws IOException {
    List<DataFile> files = written.stream().map(Written::rejects).filter(Objects::nonNull).toList();
    if (files.isEmpty()) {
      String path = Storage.join(place.rejects, "none.parquet");
      ParquetFile none = new ParquetFile(storage, path, Schemas.rejects());
      none.close();
    } else {
      deleteOrphans(place.rejects, files);
    }
    storage.move(place.rejects, Storage.join(base, "rejects/" + place.name));
  }

  /** What a failed or doubled attempt of a task left behind. */
  private void deleteOrphans(String folder, List<DataFile> files) throws IOException {
    Set<String> kept = new HashSet<>();
    files.forEach(f -> kept.add(f.path()));
    List<String> folders = new ArrayList<>(storage.folders(folder).map(n -> n + "/").toList());
    folders.add("");
    for (String below : folders) {
      List<String> names;
      try (Stream<Storage.Entry> entries = storage.list(Storage.join(folder, below))) {
        names = entries.map(Storage.Entry::name).toList();
      }
      for (String name : names) {
        if (!kept.contains(below + name) && !name.startsWith(".")) {
          storage.delete(Storage.join(folder, below + name));
        }
      }
    }
  }
}
