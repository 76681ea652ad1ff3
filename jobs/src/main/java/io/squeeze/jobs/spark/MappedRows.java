package io.squeeze.jobs.spark;

import java.io.Serializable;
import java.util.Iterator;
import org.apache.spark.TaskContext;
import org.apache.spark.sql.Row;
import org.apache.spark.util.TaskCompletionListener;

/**
 * The rows of a partition, mapped one after the other by something that is opened for the first and
 * closed with the task.
 */
public final class MappedRows implements Iterator<Row> {
  private final Iterator<Row> rows;
  private final Opening opening;
  private Mapping mapping;

  /** Maps a row. */
  public interface Mapping extends AutoCloseable {
    Row map(Row row);

    @Override
    void close();
  }

  /** Opens what maps the rows of a partition. */
  public interface Opening extends Serializable {
    Mapping open();
  }

  public MappedRows(Iterator<Row> rows, Opening opening) {
    this.rows = rows;
    this.opening = opening;
  }

  @Override
  public boolean hasNext() {
    return rows.hasNext();
  }

  @Override
  public Row next() {
    Row row = rows.next();
    if (mapping == null) {
      Mapping opened = opening.open();
      // A consumer may stop early.
      TaskContext.get().addTaskCompletionListener((TaskCompletionListener) end -> opened.close());
      mapping = opened;
    }
    return mapping.map(row);
  }
}
