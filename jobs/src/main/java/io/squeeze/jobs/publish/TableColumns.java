package io.squeeze.jobs.publish;

import java.util.List;
import org.apache.parquet.schema.MessageType;
import org.apache.parquet.schema.Type;
import org.apache.spark.sql.types.StructField;
import org.apache.spark.sql.types.StructType;

/** The columns of a table in their order, declared once for Spark and for Parquet. */
public record TableColumns(List<TableColumn> columns) {

  /** The schema of the files. */
  public StructType schema() {
    return new StructType(columns.stream().map(TableColumn::field).toArray(StructField[]::new));
  }

  /** The same with the split, which a folder's name says. */
  public StructType withSplit() {
    return schema().add(TableColumn.text(Columns.SPLIT).field());
  }

  /** The schema for Parquet's writer. */
  public MessageType message(String name) {
    return new MessageType(name, columns.stream().map(TableColumn::parquet).toArray(Type[]::new));
  }
}
