package io.squeeze.jobs.dedup;

import io.squeeze.jobs.model.Expanded;
import io.squeeze.jobs.spark.Tasks;
import io.squeeze.search.SimilarPairs;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;
import org.apache.spark.api.java.function.FlatMapFunction;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.catalyst.InternalRow;

/**
 * The pairs of near vectors in the lists of a partition. Rows come list by list, those at home
 * first: list, visitor, id, order, vector.
 *
 * @param most vectors at home in a list that are compared with each other; those of a longer list
 *     are compared with representatives of groups, and each gives a pair with itself
 */
record ListPairs(SimilarPairs pairs, int most)
    implements FlatMapFunction<Iterator<InternalRow>, Row> {

  /** Names a vector: what decides which of a group stays, then its id. */
  private record Node(double order, String id) {
    Row row() {
      return RowFactory.create(order, id);
    }
  }

  private record Member(int list, boolean visitor, Node node, float[] vector) {
    static Member of(InternalRow row) {
      return new Member(
          row.getInt(0),
          row.getBoolean(1),
          new Node(row.getDouble(3), row.getString(2)),
          row.getArray(4).toFloatArray());
    }
  }

  @Override
  public Iterator<Row> call(Iterator<InternalRow> rows) {
    if (!rows.hasNext()) {
      return java.util.Collections.emptyIterator();
    }
    Tasks.startOnCpu();
    return new Expanded<>(new Parts(rows, most), new Comparing(this)::of);
  }

  /**
   * A list, or a piece of a long one.
   *
   * @param first whether the list begins here
   * @param last whether it ends here
   */
  private record Part(List<Member> members, boolean first, boolean last) {}

  /** Cuts rows into lists, and lists into pieces. */
  private static final class Parts implements Iterator<Part> {
    private final Iterator<InternalRow> rows;
    private final int most;
    private Member ahead;
    private boolean goesOn;

    Parts(Iterator<InternalRow> rows, int most) {
      this.rows = rows;
      this.most = most;
      this.ahead = Member.of(rows.next());
    }

    @Override
    public boolean hasNext() {
      return ahead != null;
    }

    @Override
    public Part next() {
      if (ahead == null) {
        throw new NoSuchElementException();
      }
      boolean first = !goesOn;
      int list = ahead.list();
      List<Member> members = new ArrayList<>();
      while (ahead != null && ahead.list() == list && members.size() < most) {
        members.add(ahead);
        ahead = rows.hasNext() ? Member.of(rows.next()) : null;
      }
      goesOn = ahead != null && ahead.list() == list;
      return new Part(members, first, !goesOn);
    }
  }

  /** Compares the members of parts. */
  private static final class Comparing {
    private final ListPairs settings;
    private final List<Node> nodes = new ArrayList<>();
    private SimilarPairs.Home home;
    private SimilarPairs.Stream stream;

    Comparing(ListPairs settings) {
      this.settings = settings;
    }

    List<Row> of(Part part) {
      List<Row> found = new ArrayList<>();
      List<float[]> vectors = part.members().stream().map(Member::vector).toList();
      int homes = (int) part.members().stream().filter(member -> !member.visitor()).count();
      if (part.first()) {
        nodes.clear();
      }
      part.members().forEach(member -> nodes.add(member.node()));
      SimilarPairs.Taken taken =
          (a, b) -> found.add(RowFactory.create(nodes.get(a).row(), nodes.get(b).row()));
      if (part.first()) {
        boolean crowded = homes == vectors.size() && !part.last();
        stream = crowded ? settings.pairs().new Stream(settings.most()) : null;
        home = crowded ? null : settings.pairs().new Home(vectors.subList(0, homes), taken);
      }
      if (home != null) {
        home.visit(part.first() ? vectors.subList(homes, vectors.size()) : vectors, taken);
        return found;
      }
      for (Member member : part.members()) {
        found.add(RowFactory.create(member.node().row(), member.node().row()));
      }
      stream.add(vectors, taken);
      return found;
    }
  }
}
