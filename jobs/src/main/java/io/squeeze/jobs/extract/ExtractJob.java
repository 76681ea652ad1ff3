package io.squeeze.jobs.extract;

import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.lit;

import com.fasterxml.jackson.databind.ObjectMapper;
import io.squeeze.backbone.BackboneFile;
import io.squeeze.backbone.Grid;
import io.squeeze.config.Settings;
import io.squeeze.config.SqueezeException;
import io.squeeze.dataset.Datasets;
import io.squeeze.dataset.SegmentationDataset;
import io.squeeze.jobs.extract.Written.Tally;
import io.squeeze.jobs.spark.Backbones;
import io.squeeze.jobs.spark.Columns;
import io.squeeze.jobs.spark.Console;
import io.squeeze.jobs.spark.HadoopStorage;
import io.squeeze.jobs.spark.Manifest;
import io.squeeze.jobs.spark.Manifest.DataFile;
import io.squeeze.jobs.spark.ParquetFile;
import io.squeeze.jobs.spark.PartitionInKey;
import io.squeeze.jobs.spark.Progress;
import io.squeeze.jobs.spark.RunLock;
import io.squeeze.jobs.spark.Tasks;
import io.squeeze.jobs.spark.Versions;
import io.squeeze.jobs.spark.Versions.Published;
import io.squeeze.storage.Storage;
import io.squeeze.train.Checkpoint;
import io.squeeze.weights.ElementType;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.UUID;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.util.LongAccumulator;
import scala.Tuple2;

/**
 * Images to embeddings, or straight to codes: every photo goes through the backbone once, and never
 * again. A run that was cut off is continued file by file; more photos become the next version.
 */
public final class ExtractJob {
  /** The one setting that may differ from what is there: then there are more photos. */
  private static final String LISTS = "data.lists";

  private final SparkSession spark;
  private final JavaSparkContext context;
  private final HadoopStorage storage;
  private final Backbones backbones;
  private final Settings settings;
  private final Fused fused;
  private final ElementType type;
  private final Versions versions;
  private final String base;

  /** A job that publishes embeddings. */
  public ExtractJob(SparkSession spark, Settings settings) throws IOException {
    this(spark, settings, null);
  }

  /**
   * A job that publishes codes where {@code fused} says how, else embeddings.
   *
   * @param fused may be null
   */
  public ExtractJob(SparkSession spark, Settings given, Fused fused) throws IOException {
    this.spark = spark;
    this.context = JavaSparkContext.fromSparkContext(spark.sparkContext());
    this.storage = new HadoopStorage(spark);
    this.backbones = new Backbones(storage, given);
    this.settings = backbones.settings();
    this.fused = fused;
    this.type = backbones.embeddingType();
    this.versions =
        new Versions(storage, fused == null ? settings.embeddingsPath() : fused.codes());
    this.base = versions.base();
  }

  /**
   * Publishes a version, or finds that it is there.
   *
   * @throws SqueezeException of category configuration if something else is there, of category
   *     input if the data set cannot be used
   */
  public Published run() throws IOException {
    SegmentationDataset dataset = Datasets.named(settings.data().dataset());
    String root = storage.qualified(dataset.root(storage, settings.data().path()));
    Listing listing =
        new Listing(
            spark,
            dataset,
            storage,
            root,
            settings.extract().photos(),
            settings.data().splitSeed());
    Listing.Summary summary = listing.summary();
    if (summary.total() == 0) {
      throw SqueezeException.input("The lists of " + root + " name no samples (--data_path)");
    }
    Backbones.Shipped shipped = backbones.ship(spark);
    if (fused != null) {
      fused.check(shipped.file());
    }
    Map<String, String> asked = asked(dataset, summary, shipped);
    Optional<Published> current = versions.current();
    if (current.isPresent() && isThere(current.get(), asked)) {
      Console.say(table() + " are there already: " + current.get().path() + ", nothing to do");
      return current.get();
    }
    RunLock lock = RunLock.take(storage, base);
    try {
      Source source = new Source(dataset, root, shipped, asked, current.orElse(null));
      return publish(source, listing);
    } finally {
      lock.close();
    }
  }

  /** What is read, and how. {@code before} is the version that this one adds to; null for none. */
  private record Source(
      SegmentationDataset dataset,
      String root,
      Backbones.Shipped shipped,
      Map<String, String> asked,
      Published before) {}

  /** Where the rows grow until they are published. */
  private final class Workplace {
    private final String name;
    private final String rows;
    private final String rejects;

    Workplace(String key) throws IOException {
      this.name = "v" + versions.next();
      this.rows = Storage.join(base, "_" + name + "." + key);
      this.rejects = Storage.join(base, "rejects/_" + name + "." + key);
    }
  }

  private String table() {
    return fused == null ? "Embeddings" : "Codes";
  }

  private Map<String, String> asked(
      SegmentationDataset dataset, Listing.Summary summary, Backbones.Shipped shipped) {
    Map<String, String> asked = new TreeMap<>();
    asked.put("backbone.name", shipped.file().name());
    asked.put("backbone.sha256", shipped.file().digest());
    asked.put("backbone.weights", shipped.weights());
    asked.put("backbone.precision", shipped.file().precision().toString());
    asked.put("backbone.layout", settings.backbone().tokens() ? "tokens" : "nchw");
    asked.put("backbone.prefix-tokens", Integer.toString(settings.backbone().prefixTokens()));
    asked.put("data.dataset", dataset.name());
    asked.put(LISTS, summary.fingerprint());
    asked.put("extract.embedding-dtype", dtype());
    asked.put("image.size", Integer.toString(settings.image().size()));
    asked.put("image.resize", Integer.toString(settings.image().resize()));
    asked.put("image.crop", settings.image().squash() ? "squash" : "center");
    asked.put("image.mean", settings.image().mean().toString());
    asked.put("image.std", settings.image().std().toString());
    asked.put("image.max-pixels", Long.toString(settings.image().maxPixels()));
    asked.put("image.max-bytes", Long.toString(settings.image().maxBytes()));
    if (fused != null) {
      asked.put("checkpoint.sha256", fused.sha256());
    }
    return asked;
  }

  private String dtype() {
    return type == ElementType.F16 ? "float16" : "float32";
  }

  /** Whether this version holds what is asked for; false where only the lists are others. */
  private boolean isThere(Published current, Map<String, String> asked) {
    List<String> differences = current.manifest().differences(asked);
    boolean lists = differences.stream().allMatch(line -> line.startsWith(LISTS + ":"));
    if (!lists) {
      throw SqueezeException.configuration(
          "Other "
              + table().toLowerCase(Locale.ROOT)
              + " lie in "
              + current.path()
              + " ("
              + String.join("; ", differences)
              + "); name another folder with "
              + (fused == null ? "--embeddings" : "--codes"));
    }
    return differences.isEmpty();
  }

  private Published publish(Source source, Listing listing) throws IOException {
    reportUnlisted(listing);
    Dataset<Row> rows = listing.rows();
    if (source.before() != null) {
      rows = unseen(rows, source);
    }
    Map<Integer, Long> counts = new TreeMap<>();
    rows.groupBy(Listing.SPLIT_INDEX)
        .count()
        .collectAsList()
        .forEach(row -> counts.put(row.getInt(0), row.getLong(1)));
    long total = counts.values().stream().mapToLong(Long::longValue).sum();
    Grid grid = probe(source.shipped());
    FilePlan plan = plan(source, counts, grid);
    Workplace place =
        new Workplace(BackboneFile.digest(source.asked() + "\n" + plan).substring(0, 16));
    List<Written> written = new ArrayList<>(kept(source, place));
    written.addAll(extracted(source, rows, plan, place, total));
    Tally tally = Tally.sum(written);
    checkRejects(written, place, total);
    List<DataFile> files = new ArrayList<>(written.stream().map(Written::rows).toList());
    if (fused != null) {
      files.add(fused.codebook(storage, place.rows));
    }
    files.sort(Comparator.comparing(DataFile::path));
    Manifest manifest = manifest(source, files, rejected(written), grid);
    publishRejects(written, place);
    deleteOrphans(place.rows, files);
    String version = Storage.join(base, place.name);
    storage.move(place.rows, version);
    storage.replace(Storage.join(version, Manifest.NAME), manifest.json());
    report(manifest, version, tally);
    return new Published(version, manifest);
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

  /** The listed samples that the version before has no row of; those that were rejected, too. */
  private Dataset<Row> unseen(Dataset<Row> listed, Source source) {
    Dataset<Row> published = source.before().read(spark);
    List<Column> columns = new ArrayList<>();
    List.of(Columns.SAMPLE_ID, Columns.SPLIT, Columns.IMAGE_PATH).forEach(c -> columns.add(col(c)));
    source.dataset().columns().forEach(c -> columns.add(col(c.name())));
    Column[] all = columns.toArray(Column[]::new);
    Column split = lit(null).cast("string");
    for (int i = 0; i < source.dataset().splits().size(); i++) {
      split =
          org.apache
              .spark
              .sql
              .functions
              .when(col(Listing.SPLIT_INDEX).equalTo(i), lit(source.dataset().splits().get(i)))
              .otherwise(split);
    }
    Dataset<Row> named =
        listed
            .where(col(Listing.DUPLICATE).equalTo(false))
            .withColumn(Columns.SPLIT, split)
            .withColumnRenamed(Listing.IMAGE, Columns.IMAGE_PATH)
            .select(all);
    long gone = published.select(all).except(named).count();
    if (gone > 0) {
      throw SqueezeException.configuration(
          gone
              + " samples of "
              + source.before().path()
              + " are listed no more, or in another way: a next version can only add samples; name"
              + " another folder with "
              + (fused == null ? "--embeddings" : "--codes"));
    }
    Dataset<Row> ids = published.select(col(Columns.SAMPLE_ID).as("published_id"));
    return listed.join(
        ids,
        col(Columns.SAMPLE_ID)
            .equalTo(col("published_id"))
            .and(col(Listing.DUPLICATE).equalTo(false)),
        "left_anti");
  }

  /** Loads the backbone in a task, where its device and natives are: fails early, and once. */
  private Grid probe(Backbones.Shipped shipped) {
    return context
        .parallelize(List.of(shipped), 1)
        .map(backbone -> backbone.load(Tasks.start()).grid())
        .first();
  }

  private FilePlan plan(Source source, Map<Integer, Long> counts, Grid grid) {
    List<Integer> firstNumber = new ArrayList<>();
    for (String split : source.dataset().splits()) {
      int next = 0;
      for (DataFile file : files(source.before())) {
        if (file.path().contains("split=" + split + "/")) {
          next = Math.max(next, FilePlan.number(file.path()) + 1);
        }
      }
      firstNumber.add(next);
    }
    long side = settings.image().size();
    // A row of codes is two bytes a code at most, and text.
    long rowBytes =
        fused == null
            ? (long) type.bytes() * grid.values() + side * side
            : 300 + 2L * grid.positions() * fused.checkpoint().model().quantizer().levels().length;
    return FilePlan.of(
        fused == null ? "" : Versions.CODES + "/",
        source.dataset().splits(),
        counts,
        firstNumber,
        settings.extract(),
        rowBytes);
  }

  /** The files of samples that a version has; none of no version. */
  private static List<DataFile> files(Published version) {
    return version == null
        ? List.of()
        : version.manifest().files().stream().filter(f -> f.path().contains("split=")).toList();
  }

  /** What an earlier run left in the workplace, by stem. */
  private Map<String, String> left(Workplace place) throws IOException {
    Map<String, String> left = new HashMap<>();
    for (String name : storage.files(place.rows).keySet()) {
      left.put(FilePlan.stemOf(name), name);
    }
    return left;
  }

  private List<Written> kept(Source source, Workplace place) throws IOException {
    List<DataFile> files = files(source.before());
    if (files.isEmpty()) {
      return List.of();
    }
    Console.say("Taking over " + files.size() + " files of " + source.before().path());
    Copying copying =
        new Copying(storage, source.before().path(), place.rows, runToken(), left(place));
    return context.parallelize(files, Math.min(files.size(), 10_000)).map(copying).collect();
  }

  private static String runToken() {
    return UUID.randomUUID().toString().substring(0, 8);
  }

  private List<Written> extracted(
      Source source, Dataset<Row> rows, FilePlan plan, Workplace place, long total)
      throws IOException {
    if (plan.files() == 0) {
      return List.of();
    }
    LongAccumulator seen = spark.sparkContext().longAccumulator("images");
    Map<String, String> left = left(place);
    Broadcast<Checkpoint> checkpoint = fused == null ? null : context.broadcast(fused.checkpoint());
    ExtractTask task =
        new ExtractTask(
            source.dataset(),
            storage,
            source.root(),
            settings,
            source.shipped(),
            type,
            plan,
            place.rows,
            place.rejects,
            runToken(),
            left,
            checkpoint,
            seen);
    Console.say(
        String.format(
            Locale.ROOT,
            "Extracting %d images of %s with %s into %s%s",
            total,
            source.root(),
            source.shipped().file().name(),
            Storage.join(base, place.name),
            left.isEmpty() ? "" : ", where an earlier run left " + left.size() + " files"));
    try (Progress progress = new Progress("extract", "images", total, seen::value)) {
      List<Written> written =
          numbered(rows, plan)
              .mapToPair(row -> row)
              .repartitionAndSortWithinPartitions(new PartitionInKey(plan.files()))
              .mapPartitions(task)
              .collect();
      Tally tally = Tally.sum(written);
      double seconds = progress.seconds();
      Console.say(
          String.format(
              Locale.ROOT,
              "Extracted %d images in %.1f s, %.1f images/s; %s",
              tally.images(),
              seconds,
              tally.images() / seconds,
              tally.shares()));
      writeMetrics(place, tally, seconds);
      return written;
    }
  }

  /** Each row with its file and its place there, from its rank within its split. */
  private static JavaRDD<Tuple2<Long, Row>> numbered(Dataset<Row> rows, FilePlan plan) {
    List<Long> before = new ArrayList<>();
    long sum = 0;
    for (long count : plan.rows()) {
      before.add(sum);
      sum += count;
    }
    return rows.orderBy(Listing.SPLIT_INDEX, Listing.ORDINAL)
        .toJavaRDD()
        .zipWithIndex()
        .map(
            ranked -> {
              int split = ranked._1().getInt(0);
              return new Tuple2<>(plan.key(split, ranked._2() - before.get(split)), ranked._1());
            });
  }

  private void writeMetrics(Workplace place, Tally tally, double seconds) throws IOException {
    Map<String, Object> metrics = new TreeMap<>();
    metrics.put("images", tally.images());
    metrics.put("seconds", seconds);
    metrics.put("images_per_second", tally.images() / seconds);
    metrics.put("decode_seconds", tally.decode() / 1e9);
    metrics.put("forward_seconds", tally.forward() / 1e9);
    metrics.put("write_seconds", tally.write() / 1e9);
    metrics.put("wait_seconds", tally.waited() / 1e9);
    storage.replace(
        Storage.join(base, "metrics/" + place.name + ".json"),
        new ObjectMapper().writeValueAsString(metrics) + "\n");
  }

  private static long rejected(Collection<Written> written) {
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
      // The next run goes on with the files that are whole, and tries these photos again.
      for (Written file : written) {
        if (file.rejects() != null) {
          storage.delete(Storage.join(place.rows, file.rows().path()));
        }
      }
      throw SqueezeException.input(
          what
              + ", more than data.max-bad-fraction = "
              + limit
              + " allows; the rejects are listed in "
              + place.rejects);
    }
    Console.warn(what + ": " + Storage.join(base, "rejects/" + place.name));
  }

  private Manifest manifest(Source source, List<DataFile> files, long rejected, Grid grid) {
    SegmentationDataset dataset = source.dataset();
    Map<String, Long> rows = new TreeMap<>();
    for (String split : dataset.splits()) {
      long count =
          files.stream()
              .filter(f -> f.path().contains("split=" + split + "/"))
              .mapToLong(DataFile::rows)
              .sum();
      rows.put(split, count);
    }
    return new Manifest(
        Manifest.SCHEMA_VERSION,
        fused == null ? Manifest.EMBEDDINGS : Manifest.CODES,
        source.asked(),
        dtype(),
        settings.weights(),
        source.root(),
        dataset.classes(),
        dataset.palette(),
        dataset.columns(),
        dataset.stratum(),
        dataset.splits(),
        rows,
        rejected,
        grid.channels(),
        grid.height(),
        grid.width(),
        settings.image().size(),
        files);
  }

  private void report(Manifest manifest, String version, Tally tally) {
    Console.say(
        "Published "
            + version
            + ": "
            + manifest.rows()
            + " rows of "
            + manifest.channels()
            + "x"
            + manifest.gridHeight()
            + "x"
            + manifest.gridWidth()
            + (fused == null ? " in " + manifest.dtype() : " as codes")
            + ", "
            + manifest.rejected()
            + " rejects");
    if (tally.norm() > 0) {
      Console.say(
          String.format(
              Locale.ROOT,
              "float16 costs a relative error of %.2e (root mean square); --embedding_dtype float32"
                  + " stores features as they are, in twice the bytes",
              tally.relativeError()));
    }
  }

  /** The table of rejects stands beside the version, empty where nothing was rejected. */
  private void publishRejects(List<Written> written, Workplace place) throws IOException {
    List<DataFile> files = written.stream().map(Written::rejects).filter(Objects::nonNull).toList();
    deleteOrphans(place.rejects, files);
    if (files.isEmpty()) {
      String path = Storage.join(place.rejects, "none.parquet");
      ParquetFile none = new ParquetFile(storage, path, Schemas.rejects());
      none.close();
    }
    storage.move(place.rejects, Storage.join(base, "rejects/" + place.name));
  }

  /** What a failed or doubled attempt of a task left behind. */
  private void deleteOrphans(String folder, List<DataFile> files) throws IOException {
    Set<String> kept = new HashSet<>();
    files.forEach(f -> kept.add(f.path()));
    for (String name : storage.files(folder).keySet()) {
      if (!kept.contains(name)) {
        storage.delete(Storage.join(folder, name));
      }
    }
  }
}
