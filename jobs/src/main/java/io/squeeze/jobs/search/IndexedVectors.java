package io.squeeze.jobs.search;

import static org.apache.spark.sql.functions.col;

import io.squeeze.codec.CodeCodec;
import io.squeeze.config.Seeds;
import io.squeeze.jobs.model.Expanded;
import io.squeeze.jobs.model.Groups;
import io.squeeze.jobs.model.SearchSpace;
import io.squeeze.jobs.model.TrainedQuantizer;
import io.squeeze.jobs.publish.Coding;
import io.squeeze.jobs.publish.Columns;
import io.squeeze.jobs.publish.Versions.Published;
import io.squeeze.jobs.spark.Tasks;
import io.squeeze.quantize.KMeans.Keyed;
import io.squeeze.quantize.VectorBlock;
import io.squeeze.search.Centroids;
import io.squeeze.search.Codewords;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.api.java.function.FlatMapFunction;
import org.apache.spark.api.java.function.MapPartitionsFunction;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.catalyst.encoders.ExpressionEncoder;
import org.apache.spark.sql.types.StructType;

/** The vectors of published codes, a row for each, with the list that each belongs to. */
final class IndexedVectors {
  /** Vectors that are measured against the centroids at once. */
  private static final int BLOCK = 1024;

  private static final int FIT_BLOCK = 4096;

  private final Published codes;
  private final SearchSpace space;
  private final Coding coding;
  private final StructType schema;

  IndexedVectors(Published codes, TrainedQuantizer quantizer, SearchSpace space) {
    this.codes = codes;
    this.space = space;
    this.coding = coding(codes, quantizer);
    this.schema = Columns.index(codes.manifest().columns()).schema();
  }

  /** How an index stores codes: as the codes do where they are binary, else without gaps. */
  static Coding coding(Published codes, TrainedQuantizer quantizer) {
    Coding own = codes.manifest().coding();
    return own == null ? new Coding(Coding.PACKED, quantizer.codebookSizes(), List.of()) : own;
  }

  /** What names a vector on every machine. */
  static long key(String id, int position) {
    return Seeds.hash(position, "vector of", id);
  }

  /** A share of the vectors where codes are searched, drawn by hash. */
  JavaRDD<VectorBlock> sample(SparkSession spark, long seed, double share) {
    int depth = space.words().levels();
    Broadcast<Codewords> words = send(spark, space.words());
    FlatMapFunction<Iterator<Row>, VectorBlock> draw =
        rows -> {
          Drawn drawn = new Drawn(words.value(), depth, seed, share);
          Iterator<Keyed> taken = new Expanded<>(rows, drawn::of);
          return new Expanded<>(
              new Groups<>(taken, FIT_BLOCK), some -> List.of(VectorBlock.of(some)));
        };
    return codes
        .read(spark)
        .select(col(Columns.SAMPLE_ID), col(Columns.CODES))
        .toJavaRDD()
        .mapPartitions(draw);
  }

  /** Draws vectors of a sample of the data set. */
  private record Drawn(Codewords words, int depth, long seed, double share) {
    List<Keyed> of(Row row) {
      int[] levels = ints(row.getList(1));
      List<Keyed> taken = new ArrayList<>();
      for (int position = 0; position < levels.length / depth; position++) {
        long key = key(row.getString(0), position);
        if (Seeds.takes(Seeds.hash(seed ^ key, "centroids", ""), share)) {
          taken.add(new Keyed(key, words.decode(levels, position * depth)));
        }
      }
      return taken;
    }
  }

  /** All vectors with their lists. */
  Dataset<Row> assigned(SparkSession spark, Centroids centroids) {
    return assign(spark, expanded(spark), centroids);
  }

  /** The same, where an index before knows the lists of most: the others are measured. */
  Dataset<Row> grown(SparkSession spark, Centroids centroids, Published before) {
    String[] same = {Columns.SAMPLE_ID, Columns.POSITION, Columns.CODES};
    Dataset<Row> known =
        before
            .indexed(spark, before.vectorFiles())
            .select(Columns.SAMPLE_ID, Columns.POSITION, Columns.CODES, Columns.LIST)
            .dropDuplicates(same);
    Dataset<Row> joined = expanded(spark).drop(Columns.LIST).join(known, same, "left");
    return assign(
        spark,
        joined.select(
            Arrays.stream(schema.fieldNames())
                .map(name -> col("`" + name + "`"))
                .toArray(org.apache.spark.sql.Column[]::new)),
        centroids);
  }

  /** A row for each vector, whose list is null. */
  private Dataset<Row> expanded(SparkSession spark) {
    int depth = space.words().levels();
    Coding packed = coding;
    List<String> described =
        Arrays.asList(schema.fieldNames()).subList(5, schema.fieldNames().length);
    List<org.apache.spark.sql.Column> read =
        new ArrayList<>(List.of(col(Columns.SAMPLE_ID), col(Columns.CODES), col(Columns.SPLIT)));
    described.forEach(name -> read.add(col("`" + name + "`")));
    MapPartitionsFunction<Row, Row> expand =
        rows -> {
          CodeCodec codec = packed.implementation();
          return new Expanded<>(rows, row -> vectors(row, depth, codec));
        };
    StructType optional = schema.asNullable();
    return codes
        .read(spark)
        .select(read.toArray(org.apache.spark.sql.Column[]::new))
        .mapPartitions(expand, ExpressionEncoder.apply(optional));
  }

  private static List<Row> vectors(Row row, int depth, CodeCodec codec) {
    int[] levels = ints(row.getList(1));
    List<Row> vectors = new ArrayList<>();
    for (int position = 0; position < levels.length / depth; position++) {
      int from = position * depth;
      Object[] cells = new Object[row.size() + 2];
      cells[1] = row.get(0);
      cells[2] = position;
      cells[3] = codec.pack(Arrays.copyOfRange(levels, from, from + depth));
      for (int i = 2; i < row.size(); i++) {
        cells[i + 2] = row.get(i);
      }
      vectors.add(RowFactory.create(cells));
    }
    return vectors;
  }

  private static int[] ints(List<Integer> codes) {
    return codes.stream().mapToInt(Integer::intValue).toArray();
  }

  private Dataset<Row> assign(SparkSession spark, Dataset<Row> rows, Centroids centroids) {
    Broadcast<Codewords> words = send(spark, space.words());
    Broadcast<Centroids> lists = send(spark, centroids);
    Coding packed = coding;
    MapPartitionsFunction<Row, Row> assign =
        some -> {
          Assigned assigned = new Assigned(words.value(), lists.value(), packed.implementation());
          return new Expanded<>(new Groups<>(some, BLOCK), assigned::of);
        };
    return rows.mapPartitions(assign, ExpressionEncoder.apply(schema));
  }

  private static <T extends Serializable> Broadcast<T> send(SparkSession spark, T value) {
    return JavaSparkContext.fromSparkContext(spark.sparkContext()).broadcast(value);
  }

  /** Finds the lists of rows that have none. */
  private record Assigned(Codewords words, Centroids lists, CodeCodec codec) {
    List<Row> of(List<Row> rows) {
      List<Integer> unknown = new ArrayList<>();
      for (int i = 0; i < rows.size(); i++) {
        if (rows.get(i).isNullAt(0)) {
          unknown.add(i);
        }
      }
      if (unknown.isEmpty()) {
        return rows;
      }
      Tasks.startOnCpu();
      int width = words.width();
      float[] values = new float[unknown.size() * width];
      for (int i = 0; i < unknown.size(); i++) {
        byte[] packed = rows.get(unknown.get(i)).getAs(3);
        float[] vector = words.decode(codec.unpack(packed, words.levels()), 0);
        System.arraycopy(vector, 0, values, i * width, width);
      }
      int[] nearest = new VectorBlock(new long[unknown.size()], values).nearest(lists.values());
      List<Row> all = new ArrayList<>(rows);
      for (int i = 0; i < nearest.length; i++) {
        all.set(unknown.get(i), withList(rows.get(unknown.get(i)), nearest[i]));
      }
      return all;
    }

    private static Row withList(Row row, int list) {
      Object[] cells = new Object[row.size()];
      cells[0] = list;
      for (int i = 1; i < cells.length; i++) {
        cells[i] = row.get(i);
      }
      return RowFactory.create(cells);
    }
  }
}
