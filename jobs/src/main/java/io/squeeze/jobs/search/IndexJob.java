package io.squeeze.jobs.search;

import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.udf;

import io.squeeze.backbone.BackboneFile;
import io.squeeze.config.Json;
import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.fit.ListCentroids;
import io.squeeze.jobs.fit.ListCentroids.Effort;
import io.squeeze.jobs.model.SearchSpace;
import io.squeeze.jobs.model.TrainedQuantizer;
import io.squeeze.jobs.publish.Columns;
import io.squeeze.jobs.publish.DataFile;
import io.squeeze.jobs.publish.Manifest;
import io.squeeze.jobs.publish.ParquetFile;
import io.squeeze.jobs.publish.Place;
import io.squeeze.jobs.publish.Publisher;
import io.squeeze.jobs.publish.Tables;
import io.squeeze.jobs.publish.VersionTables;
import io.squeeze.jobs.publish.Versions;
import io.squeeze.jobs.publish.Versions.Published;
import io.squeeze.jobs.spark.JobDescription;
import io.squeeze.jobs.spark.SqueezeSession;
import io.squeeze.search.Centroids;
import io.squeeze.storage.Storage;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.apache.parquet.example.data.Group;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.api.java.UDF3;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.storage.StorageLevel;

/**
 * Groups the vectors of published codes around centroids (inverted lists: Jegou, Douze and Schmid,
 * Product Quantization for Nearest Neighbor Search, 2011) and writes their codes in the order of
 * the lists. The index is a data set of its own, in the folder {@code index} beside the versions of
 * the codes.
 */
public final class IndexJob {
  static final String CODES = "codes";
  static final String LISTS = "lists";
  static final String SEED = "seed";

  private static final int MOST_LISTS = 1 << 16;

  private final SqueezeSession session;
  private final SparkSession spark;
  private final Published codes;
  private final TrainedQuantizer quantizer;
  private final Publisher publisher;
  private final Integer askedLists;
  private final long seed;

  /**
   * A job for the current version of codes.
   *
   * @param lists how many; null: as in the index that is there, else by the number of vectors
   * @throws SqueezeException of category input if there are no codes
   */
  public IndexJob(SqueezeSession session, String codes, Integer lists, long seed)
      throws IOException {
    this.session = session;
    this.spark = session.spark();
    this.codes = Versions.codes(session.storage(), codes, "--codes");
    this.quantizer = TrainedQuantizer.beside(session.storage(), this.codes);
    this.askedLists = lists;
    this.seed = seed;
    this.publisher =
        new Publisher(
            session.storage(),
            session.reporter(),
            Storage.join(Versions.dataSet(this.codes), Versions.INDEX),
            Manifest.INDEX,
            "--codes");
  }

  /** Tells versions of codes apart by their files. */
  static String content(Published codes) {
    return BackboneFile.digest(Json.pretty(codes.manifest().files()));
  }

  /** Vectors of the codes. */
  private long vectors() {
    return codes.manifest().samples() * codes.manifest().positions();
  }

  /** Near the square root of the number of vectors: then lists are as long as they are many. */
  private int lists(Optional<Published> before) {
    if (askedLists != null) {
      return (int) Math.min(askedLists, vectors());
    }
    return before
        .map(version -> Integer.parseInt(version.manifest().settings().get(LISTS)))
        .orElseGet(
            () ->
                (int) Math.max(1, Math.min(MOST_LISTS, Math.round(Math.sqrt((double) vectors())))));
  }

  /**
   * Publishes an index, or finds that it is there.
   *
   * @throws SqueezeException of category configuration if the index is of another quantizer
   */
  public Published run() throws IOException {
    if (vectors() == 0) {
      throw SqueezeException.input(codes.path() + " holds no vectors (--codes)");
    }
    Map<String, String> asked = new TreeMap<>(quantizer.settings());
    asked.put(CODES, content(codes));
    asked.put(LISTS, Integer.toString(lists(publisher.current())));
    asked.put(SEED, Long.toString(seed));
    Publisher.Publication publication =
        publisher.run(asked, List.of(CODES, LISTS, SEED), next -> draft(next, asked));
    if (publication.fresh()) {
      session
          .reporter()
          .say(
              String.format(
                  Locale.ROOT,
                  "Published %s: %d vectors in %s lists in %.1f s",
                  publication.version().path(),
                  vectors(),
                  asked.get(LISTS),
                  publication.seconds()));
    }
    return publication.version();
  }

  private Publisher.Draft draft(Publisher.Next next, Map<String, String> asked) throws IOException {
    Place place = next.fresh();
    Tables.readBatches(spark, 4L * quantizer.codebookSizes().length * codes.manifest().positions());
    SearchSpace space = SearchSpace.of(quantizer);
    IndexedVectors vectors = new IndexedVectors(codes, quantizer, space);
    Optional<Published> before =
        next.before()
            .filter(
                version ->
                    version.manifest().settings().get(LISTS).equals(asked.get(LISTS))
                        && version.manifest().settings().get(SEED).equals(asked.get(SEED)));
    Centroids centroids;
    Dataset<Row> assigned;
    if (before.isPresent()) {
      step(next, "assigning what is new");
      centroids = OpenedIndex.centroids(spark, before.get(), space.words().width());
      assigned = vectors.grown(spark, centroids, before.get());
    } else {
      step(next, "centroids");
      int lists = Integer.parseInt(asked.get(LISTS));
      centroids =
          ListCentroids.of(
              vectors.sample(spark, seed, Effort.LASTING.share(lists, vectors())),
              lists,
              space.words().width(),
              seed,
              Effort.LASTING);
      step(next, "assigning");
      assigned = vectors.assigned(spark, centroids);
    }
    assigned = assigned.persist(StorageLevel.MEMORY_AND_DISK());
    try {
      ListPlan plan = ListPlan.of(counts(assigned, centroids.count()));
      step(next, "writing " + next.name());
      write(assigned, plan, Storage.join(place.rows(), Versions.VECTORS));
      List<DataFile> files = new ArrayList<>(VersionTables.files(session, place.rows()));
      checkRows(files);
      files.add(lists(place.rows(), plan, centroids));
      Manifest manifest = manifest(asked, files);
      step(next, "recall");
      Probes probes =
          Probes.measure(
              session,
              new OpenedIndex(
                  new Published(place.rows(), manifest), quantizer, space, centroids, plan),
              vectors);
      probes.print(session.reporter());
      files.addAll(probes.write(session.storage(), place.rows()));
      return new Publisher.Draft(place, manifest(asked, files), List.of());
    } finally {
      assigned.unpersist();
    }
  }

  private void step(Publisher.Next next, String step) {
    JobDescription.name(spark, "index " + publisher.base(), step);
    session.reporter().say("Index " + next.name() + ": " + step);
  }

  private Manifest manifest(Map<String, String> asked, List<DataFile> files) {
    List<DataFile> sorted = new ArrayList<>(files);
    sorted.sort(Comparator.comparing(DataFile::path));
    return codes.manifest().index(asked, IndexedVectors.coding(codes, quantizer), sorted);
  }

  private void checkRows(List<DataFile> files) {
    long rows = files.stream().mapToLong(DataFile::rows).sum();
    if (rows != vectors()) {
      throw SqueezeException.input(
          "%d of %d vectors of %s were indexed: it changed meanwhile; index again"
              .formatted(rows, vectors(), codes.path()));
    }
  }

  private static long[] counts(Dataset<Row> assigned, int lists) {
    long[] counts = new long[lists];
    for (Row row : assigned.groupBy(Columns.LIST).count().collectAsList()) {
      counts[row.getInt(0)] = row.getLong(1);
    }
    return counts;
  }

  private static void write(Dataset<Row> assigned, ListPlan plan, String folder) {
    int[] keys = ListPlan.keys(plan.files());
    UDF3<Integer, String, Integer, Integer> file =
        (list, id, position) -> keys[plan.file(list, id, position)];
    VersionTables.writeSorted(
        assigned
            .repartition(
                plan.files(),
                udf(file, DataTypes.IntegerType)
                    .apply(col(Columns.LIST), col(Columns.SAMPLE_ID), col(Columns.POSITION)))
            .sortWithinPartitions(Columns.LIST, Columns.SAMPLE_ID, Columns.POSITION, Columns.CODES),
        folder);
  }

  private DataFile lists(String target, ListPlan plan, Centroids centroids) throws IOException {
    String name = Versions.LISTS + "/part-000000.parquet";
    ParquetFile file =
        new ParquetFile(
            session.storage(), Storage.join(target, name), Columns.lists().message("lists"));
    try {
      for (int list = 0; list < centroids.count(); list++) {
        Group row = file.row();
        row.add(Columns.LIST, list);
        row.add(Columns.VECTORS, plan.vectors()[list]);
        row.add(Columns.FIRST_FILE, plan.first()[list]);
        row.add(Columns.LAST_FILE, plan.last()[list]);
        Group vector = row.addGroup(Columns.CENTROID);
        for (int j = 0; j < centroids.width(); j++) {
          vector.addGroup("list").add("element", centroids.values()[list * centroids.width() + j]);
        }
        file.write(row);
      }
    } finally {
      file.close();
    }
    return new DataFile(name, file.bytes(), file.rows(), file.sha256());
  }
}
