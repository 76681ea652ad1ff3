package io.squeeze.jobs.model;

import io.squeeze.train.Checkpoint;
import java.io.Serializable;
import java.util.Iterator;
import java.util.Map;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.types.StructType;

/** The rows of a partition, mapped one by one. The mapping is opened when the first row comes. */
public final class MappedRows implements Iterator<Row> {
  private final Iterator<Row> rows;
  private final Opening opening;
  private Mapping mapping;

  /** Maps a row. */
  public interface Mapping {
    Row map(Row row);
  }

  /** Opens what maps the rows of a partition. */
  public interface Opening extends Serializable {
    Mapping open();
  }

  /** Maps a row with a model. */
  public interface ModelMapping extends Serializable {
    Row map(LoadedModel loaded, Row row);
  }

  public MappedRows(Iterator<Row> rows, Opening opening) {
    this.rows = rows;
    this.opening = opening;
  }

  /** The rows of a partition, mapped with a checkpoint's model on this task's device. */
  public static MappedRows by(
      Broadcast<Checkpoint> checkpoint, ModelMapping mapping, Iterator<Row> rows) {
    return new MappedRows(
        rows,
        () -> {
          LoadedModel loaded = LoadedModel.inTask(checkpoint.value());
          return row -> mapping.map(loaded, row);
        });
  }

  /** A row of a schema: what is fresh, and all else by its name from another row. */
  public static Row row(StructType schema, Row from, Map<String, Object> fresh) {
    Object[] cells = new Object[schema.size()];
    for (int i = 0; i < cells.length; i++) {
      String name = schema.fields()[i].name();
      cells[i] = fresh.containsKey(name) ? fresh.get(name) : from.getAs(name);
    }
    return RowFactory.create(cells);
  }

  /** A row with more cells behind its own. */
  public static Row with(Row row, Object... added) {
    Object[] cells = new Object[row.size() + added.length];
    for (int i = 0; i < row.size(); i++) {
      cells[i] = row.get(i);
    }
    System.arraycopy(added, 0, cells, row.size(), added.length);
    return RowFactory.create(cells);
  }

  /** The codes in a cell, which is an array. */
  public static int[] codes(Row row, int index) {
    return row.<Integer>getList(index).stream().mapToInt(code -> code).toArray();
  }

  @Override
  public boolean hasNext() {
    return rows.hasNext();
  }

  @Override
  public Row next() {
    Row row = rows.next();
    mapping = mapping == null ? opening.open() : mapping;
    return mapping.map(row);
  }
}
