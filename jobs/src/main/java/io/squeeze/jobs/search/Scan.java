package io.squeeze.jobs.search;

import io.squeeze.codec.CodeCodec;
import io.squeeze.jobs.model.Expanded;
import io.squeeze.jobs.model.Groups;
import io.squeeze.jobs.publish.Coding;
import io.squeeze.jobs.spark.Tasks;
import io.squeeze.search.CodeList;
import io.squeeze.search.Codewords;
import io.squeeze.search.Nearest;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import org.apache.spark.api.java.function.FlatMapFunction2;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.catalyst.InternalRow;

/**
 * Searches the lists of one partition of an index for the queries that were sent there. It holds
 * the codes of the partition in primitive arrays; the queries pass by.
 *
 * @param most that are found for each query
 */
record Scan(Broadcast<Codewords> words, Coding coding, int most)
    implements FlatMapFunction2<Iterator<InternalRow>, Iterator<InternalRow>, Row> {

  @Override
  public Iterator<Row> call(Iterator<InternalRow> vectors, Iterator<InternalRow> queries) {
    if (!queries.hasNext()) {
      return java.util.Collections.emptyIterator();
    }
    Lists lists = new Lists(words.value(), coding.implementation());
    vectors.forEachRemaining(lists::add);
    if (lists.codes.count() == 0) {
      return java.util.Collections.emptyIterator();
    }
    Tasks.startOnCpu();
    Nearest nearest = new Nearest(most, lists::compare);
    return new Expanded<>(
        new Groups<>(new Asking(queries), Codewords.QUERIES), some -> lists.search(some, nearest));
  }

  /**
   * A query.
   *
   * @param rest squared length of what the projection cuts off
   * @param lists to read; none for all
   */
  private record Query(byte[] id, long key, float[] vector, float rest, int[] lists) {}

  /** The queries of a partition, read from Spark's rows. */
  private record Asking(Iterator<InternalRow> rows) implements Iterator<Query> {
    @Override
    public boolean hasNext() {
      return rows.hasNext();
    }

    @Override
    public Query next() {
      InternalRow row = rows.next();
      return new Query(
          row.getBinary(0),
          row.getLong(1),
          row.getArray(2).toFloatArray(),
          row.getFloat(3),
          row.getArray(4).toIntArray());
    }
  }

  /** The lists of a partition. A list of several files has several runs of rows. */
  private static final class Lists {
    private final Codewords words;
    private final CodeCodec codec;
    private final CodeList codes;
    private final Names ids = new Names();
    private final Map<Integer, List<int[]>> runs = new HashMap<>();
    private int[] positions = new int[1024];
    private int[] listOfRow = new int[1024];
    private int[] run = {0, 0};

    Lists(Codewords words, CodeCodec codec) {
      this.words = words;
      this.codec = codec;
      this.codes = new CodeList(words);
    }

    void add(InternalRow row) {
      int at = codes.count();
      if (at == positions.length) {
        positions = Arrays.copyOf(positions, at + at / 2);
        listOfRow = Arrays.copyOf(listOfRow, at + at / 2);
      }
      int list = row.getInt(0);
      if (at == 0 || list != listOfRow[at - 1]) {
        run = new int[] {at, at};
        runs.computeIfAbsent(list, absent -> new ArrayList<>()).add(run);
      }
      run[1]++;
      listOfRow[at] = list;
      ids.add(row.getUTF8String(1).getBytes());
      positions[at] = row.getInt(2);
      codes.add(codec.unpack(row.getBinary(3), words.levels()));
    }

    int compare(int row, int other) {
      int byId = ids.compare(row, other);
      return byId == 0 ? Integer.compare(positions[row], positions[other]) : byId;
    }

    List<Row> search(List<Query> queries, Nearest nearest) {
      float[] products =
          words.products(queries.stream().map(Query::vector).toArray(float[][]::new));
      List<Row> found = new ArrayList<>();
      for (int q = 0; q < queries.size(); q++) {
        Query query = queries.get(q);
        nearest.clear();
        if (query.lists().length == 0) {
          codes.scan(products, q, 0, codes.count(), nearest);
        }
        for (int list : query.lists()) {
          for (int[] rows : runs.getOrDefault(list, List.of())) {
            codes.scan(products, q, rows[0], rows[1], nearest);
          }
        }
        float square = words.square(query.vector()) + query.rest();
        for (Nearest.Found row : nearest.sorted()) {
          found.add(
              RowFactory.create(
                  query.id(),
                  query.key(),
                  ids.get(row.row()),
                  positions[row.row()],
                  listOfRow[row.row()],
                  Math.sqrt(Math.max(0, (double) row.distance() + square))));
        }
      }
      return found;
    }
  }

  /** Many short texts in one array. */
  private static final class Names {
    private byte[] bytes = new byte[1 << 14];
    private int[] ends = new int[1024];
    private int count;

    void add(byte[] name) {
      int from = start(count);
      if (from + name.length > bytes.length) {
        int more = Math.addExact(from + name.length, bytes.length / 2);
        bytes = Arrays.copyOf(bytes, more);
      }
      if (count == ends.length) {
        ends = Arrays.copyOf(ends, count + count / 2);
      }
      System.arraycopy(name, 0, bytes, from, name.length);
      ends[count++] = from + name.length;
    }

    private int start(int row) {
      return row == 0 ? 0 : ends[row - 1];
    }

    /** In the order of their bytes, as Spark compares texts. */
    int compare(int row, int other) {
      return Arrays.compareUnsigned(bytes, start(row), ends[row], bytes, start(other), ends[other]);
    }

    String get(int row) {
      return new String(bytes, start(row), ends[row] - start(row), StandardCharsets.UTF_8);
    }
  }
}
