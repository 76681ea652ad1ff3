package io.squeeze.jobs.search;

import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.explode;
import static org.apache.spark.sql.functions.explode_outer;
import static org.apache.spark.sql.functions.udf;

import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.console.Reporter;
import io.squeeze.jobs.model.SourceVectors;
import io.squeeze.jobs.model.SourceVectors.Named;
import io.squeeze.jobs.publish.Columns;
import io.squeeze.jobs.publish.Versions;
import io.squeeze.jobs.publish.Versions.Published;
import io.squeeze.jobs.spark.JobDescription;
import io.squeeze.jobs.spark.SparkInternals;
import io.squeeze.jobs.spark.SqueezeSession;
import io.squeeze.search.Codewords;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.spark.Partition;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.api.java.UDF1;
import org.apache.spark.sql.catalyst.InternalRow;
import org.apache.spark.sql.execution.datasources.FilePartition;
import org.apache.spark.sql.execution.datasources.PartitionedFile;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;
import scala.Option;

/**
 * Nearest neighbours among indexed codes, from Java:
 *
 * <pre>{@code
 * Dataset<Row> found = CodeSearch.open(spark, "codes/table").nearest(queries, "id", "v", 10);
 * }</pre>
 *
 * <p>Every query is sent to the partitions of the index that hold the lists nearest to it. Nothing
 * on the driver grows with the queries, and a task holds the codes of its partition.
 */
public final class CodeSearch {
  private static final StructType FOUND =
      new StructType()
          .add(Columns.QUERY_ID, DataTypes.BinaryType, false)
          .add(Queries.KEY, DataTypes.LongType, false)
          .add(Columns.SAMPLE_ID, DataTypes.StringType, false)
          .add(Columns.POSITION, DataTypes.IntegerType, false)
          .add(Columns.LIST, DataTypes.IntegerType, false)
          .add(Columns.DISTANCE, DataTypes.DoubleType, false);

  /** Queries that are measured once more, to know the lists that they need. */
  private static final int FEW = 1024;

  /** Bytes of Parquet whose codes a task holds. */
  private static final long MOST_READ = 32L << 20;

  /** Vectors that one query may ask for. */
  public static final int MOST_FOUND = 65_536;

  /** Ranges of lists that Parquet is asked for by name. */
  private static final int MOST_RANGES = 64;

  private final SqueezeSession session;
  private final SparkSession spark;
  private final OpenedIndex index;

  private CodeSearch(SqueezeSession session, OpenedIndex index) {
    this.session = session;
    this.spark = session.spark();
    this.index = index;
  }

  /**
   * Opens the index of published codes.
   *
   * @param codes the data set of codes
   * @throws SqueezeException of category input if there is no index of it
   */
  public static CodeSearch open(SparkSession spark, String codes) throws IOException {
    return open(SqueezeSession.of(spark, Reporter.standard()), codes);
  }

  /** The same with a reporter. */
  public static CodeSearch open(SqueezeSession session, String codes) throws IOException {
    return of(session, OpenedIndex.open(session, codes));
  }

  /** The same of a version of codes and one of their index. */
  public static CodeSearch open(SqueezeSession session, String codes, String index)
      throws IOException {
    return of(session, OpenedIndex.open(session, codes, index));
  }

  static CodeSearch of(SqueezeSession session, OpenedIndex index) {
    return new CodeSearch(session, index);
  }

  /**
   * How to search.
   *
   * @param k vectors to find for each query
   * @param probes lists that are read for each query; 0: as many as kept 98 % of the nearest when
   *     the index was made
   * @param filter a condition in SQL on the columns of the index; null for none
   */
  public record Request(int k, int probes, String filter) {
    public Request {
      if (k < 1 || k > MOST_FOUND || probes < 0) {
        throw SqueezeException.usage(
            "k is %d, not in [1, %d], or nprobe %d is negative".formatted(k, MOST_FOUND, probes));
      }
    }

    /** Candidates that are measured again: as many as asked; for 0, ten times k if it may be. */
    public int candidates(int asked) {
      return asked > 0 ? asked : Math.min(MOST_FOUND, 10 * k);
    }
  }

  /**
   * The k nearest vectors of each query, by the lists that usually hold 98 % of them.
   *
   * @param queries a row for each query
   * @param id column that names a query, a string
   * @param vector column of its vector
   * @return query_id, rank from 1, sample_id, position (y * width + x), distance
   */
  public Dataset<Row> nearest(Dataset<Row> queries, String id, String vector, int k)
      throws IOException {
    return nearest(Queries.of(queries, id, vector), new Request(k, 0, null));
  }

  /**
   * The k nearest vectors of each query by their codes.
   *
   * @param queries of {@link Queries#of}
   */
  Dataset<Row> nearest(Dataset<Row> queries, Request request) throws IOException {
    return Ranked.shown(nearestOf(located(queries, request), request));
  }

  /**
   * The same, where candidates are measured again on the vectors that the codes were made from.
   *
   * @param source of these vectors
   * @param candidates of each query that are measured again
   */
  Dataset<Row> nearest(Dataset<Row> queries, Request request, SourceVectors source, int candidates)
      throws IOException {
    return Ranked.shown(reranked(queries, request, source, candidates));
  }

  private Dataset<Row> reranked(
      Dataset<Row> queries, Request request, SourceVectors source, int candidates)
      throws IOException {
    Dataset<Row> located = located(queries, request);
    Request more = new Request(candidates, request.probes(), request.filter());
    Dataset<Row> given =
        Queries.keyed(queries).dropDuplicates(new String[] {Columns.QUERY_ID, Queries.KEY});
    return Rerank.nearest(nearestOf(located, more), candidates, given, source, request.k());
  }

  /**
   * The k nearest photos of each photo, by the distance of grids that {@code code_distance} has.
   *
   * @param queries of {@link Queries#of}: the vectors of grids, by photo
   * @param candidates photos of each query that are measured
   */
  Dataset<Row> nearestPhotos(Dataset<Row> queries, Request request, int candidates)
      throws IOException {
    Dataset<Row> located = located(queries, request);
    Dataset<Row> hits = nearestOf(located, PhotoSearch.proposing(request));
    Published codes = Versions.codes(session.storage(), index.quantizer().codes(), "--codes");
    return PhotoSearch.shown(
        PhotoSearch.nearest(hits, located, codes, index.space().words(), candidates, request.k()));
  }

  /** Vectors of a sample. */
  int positions() {
    return index.published().manifest().positions();
  }

  private Dataset<Row> located(Dataset<Row> queries, Request request) throws IOException {
    return Queries.located(index, queries, probes(request.probes()));
  }

  /**
   * The k nearest vectors of each query, whatever names the queries.
   *
   * @param queries query_id (binary) and vector
   * @return query_id (binary), rank, sample_id, position, distance
   */
  public Dataset<Row> nearestOfAny(Dataset<Row> queries, Request request) throws IOException {
    return nearestOf(located(queries, request), request);
  }

  /**
   * The same, where candidates are measured again on the vectors that the codes were made from.
   *
   * @param source of these vectors
   * @param candidates of each query that are measured again
   */
  public Dataset<Row> nearestOfAny(
      Dataset<Row> queries, Request request, Named source, int candidates) throws IOException {
    return reranked(queries, request, source(source), candidates);
  }

  /** The vectors that the codes were made from. */
  SourceVectors source(Named named) throws IOException {
    SourceVectors source = SourceVectors.unread(session, named, channels());
    checkChannels(source, named);
    return source;
  }

  /** Refuses vectors of another length than those of the codes. */
  void checkChannels(SourceVectors vectors, Named named) {
    if (vectors.channels() != channels()) {
      throw SqueezeException.input(
          "%s has vectors of %d values, the codes are of vectors of %d (%s)"
              .formatted(named.path(), vectors.channels(), channels(), named.option()));
    }
  }

  /** Values of a vector. */
  int channels() {
    return index.quantizer().checkpoint().layout().channels();
  }

  /** Lists of the index. */
  int lists() {
    return index.centroids().count();
  }

  /** The version of the index. */
  String path() {
    return index.published().path();
  }

  /** How many lists are read where nobody says. */
  int probes(int asked) throws IOException {
    int lists = index.centroids().count();
    return asked > 0
        ? Math.min(asked, lists)
        : Probes.read(session.storage(), index.published()).usual(lists);
  }

  /** The same of queries whose lists are known; with list and the key of the query. */
  Dataset<Row> nearestOf(Dataset<Row> located, Request request) {
    JobDescription.name(spark, "search " + index.published().path(), "lists of the queries");
    BitSet lists = lists(located);
    JobDescription.name(spark, "search " + index.published().path(), "scan");
    Dataset<Row> rows = rows(lists, request.filter());
    JavaRDD<InternalRow> scanned = scanned(rows);
    int partitions = scanned.getNumPartitions();
    Dataset<Row> sent = sent(located, partitionsOfLists(scanned.partitions()), partitions);
    Broadcast<Codewords> words =
        JavaSparkContext.fromSparkContext(spark.sparkContext()).broadcast(index.space().words());
    Scan scan = new Scan(words, index.published().manifest().coding(), request.k());
    JavaRDD<Row> found = scanned.zipPartitions(SparkInternals.rows(sent), scan);
    return Ranked.first(spark.createDataFrame(found, FOUND), request.k());
  }

  /**
   * Plans the scan of rows, in pieces whose codes a task can hold and with many rows at once. The
   * session may be anybody's: its settings are as they were afterwards.
   */
  private JavaRDD<InternalRow> scanned(Dataset<Row> rows) {
    Map<String, String> settings =
        Map.of(
            "spark.sql.files.maxPartitionBytes",
            Long.toString(
                Math.min(MOST_READ, SparkInternals.settings(spark).filesMaxPartitionBytes())),
            "spark.sql.parquet.columnarReaderBatchSize",
            "4096");
    Map<String, Option<String>> before = new HashMap<>();
    settings.forEach(
        (key, value) -> {
          before.put(key, spark.conf().getOption(key));
          spark.conf().set(key, value);
        });
    try {
      JavaRDD<InternalRow> scanned = SparkInternals.rows(rows);
      if (!scanned.partitions().stream().allMatch(FilePartition.class::isInstance)) {
        throw SqueezeException.usage(
            "The condition must be one on the columns of the index alone, without a query in it"
                + " (--filter)");
      }
      return scanned;
    } finally {
      before.forEach(
          (key, value) -> {
            if (value.isDefined()) {
              spark.conf().set(key, value.get());
            } else {
              spark.conf().unset(key);
            }
          });
    }
  }

  /** The lists that any query asks for; all, where there are many queries. */
  private BitSet lists(Dataset<Row> located) {
    BitSet lists = new BitSet();
    int all = index.centroids().count();
    if (located.limit(FEW + 1).count() <= FEW) {
      for (Row row : located.select(explode_outer(col(Queries.LISTS))).distinct().collectAsList()) {
        lists.set(row.isNullAt(0) ? 0 : row.getInt(0), row.isNullAt(0) ? all : row.getInt(0) + 1);
      }
    } else {
      lists.set(0, all);
    }
    return lists;
  }

  /** The rows of the lists that are asked for, from the files that hold them. */
  private Dataset<Row> rows(BitSet lists, String filter) {
    List<String> all = index.published().vectorFiles();
    BitSet files = new BitSet();
    lists.stream()
        .forEach(list -> files.set(index.plan().first()[list], index.plan().last()[list] + 1));
    List<String> chosen = files.stream().mapToObj(all::get).toList();
    Dataset<Row> rows = index.published().indexed(spark, chosen.isEmpty() ? all : chosen);
    List<Column> ranges = ranges(lists);
    if (!ranges.isEmpty() && ranges.size() <= MOST_RANGES) {
      rows = rows.where(ranges.stream().reduce(Column::or).orElseThrow());
    }
    if (filter != null) {
      rows = rows.where(filter);
    }
    return rows.select(Columns.LIST, Columns.SAMPLE_ID, Columns.POSITION, Columns.CODES);
  }

  private static List<Column> ranges(BitSet lists) {
    List<Column> ranges = new ArrayList<>();
    Column list = col(Columns.LIST);
    for (int from = lists.nextSetBit(0); from >= 0; ) {
      int to = lists.nextClearBit(from);
      ranges.add(list.geq(from).and(list.lt(to)));
      from = lists.nextSetBit(to);
    }
    return ranges;
  }

  /** Which partitions hold vectors of each list. */
  private int[][] partitionsOfLists(List<Partition> partitions) {
    List<String> names = index.published().vectorFiles();
    Map<String, BitSet> ofFile = new HashMap<>();
    for (Partition partition : partitions) {
      for (PartitionedFile file : ((FilePartition) partition).files()) {
        String path = file.filePath().urlEncoded();
        ofFile
            .computeIfAbsent(path.substring(path.lastIndexOf('/') + 1), name -> new BitSet())
            .set(partition.index());
      }
    }
    int[][] found = new int[index.centroids().count()][];
    for (int list = 0; list < found.length; list++) {
      BitSet all = new BitSet();
      for (int f = index.plan().first()[list]; f <= index.plan().last()[list]; f++) {
        String name = names.get(f).substring(names.get(f).lastIndexOf('/') + 1);
        all.or(ofFile.getOrDefault(name, new BitSet()));
      }
      found[list] = all.stream().toArray();
    }
    return found;
  }

  /** Queries in the partitions that hold their lists. */
  private Dataset<Row> sent(Dataset<Row> queries, int[][] partitionsOfLists, int partitions) {
    Broadcast<int[][]> places =
        JavaSparkContext.fromSparkContext(spark.sparkContext()).broadcast(partitionsOfLists);
    int[] keys = ListPlan.keys(partitions);
    UDF1<scala.collection.Seq<Integer>, int[]> targets =
        lists -> {
          BitSet all = new BitSet();
          for (int i = 0; i < lists.size(); i++) {
            Arrays.stream(places.value()[lists.apply(i)]).forEach(all::set);
          }
          if (lists.isEmpty()) {
            all.set(0, partitions);
          }
          return all.stream().map(partition -> keys[partition]).toArray();
        };
    String key = "partition_key";
    return queries
        .withColumn(
            key,
            explode(
                udf(targets, DataTypes.createArrayType(DataTypes.IntegerType, false))
                    .apply(col(Queries.LISTS))))
        .repartition(partitions, col(key))
        .drop(key);
  }
}
