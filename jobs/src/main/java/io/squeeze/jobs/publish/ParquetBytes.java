package io.squeeze.jobs.publish;

import io.squeeze.jobs.storage.HadoopStorage;
import io.squeeze.storage.Storage;
import java.io.IOException;
import java.util.List;
import org.apache.hadoop.fs.Path;
import org.apache.parquet.hadoop.ParquetFileReader;
import org.apache.parquet.hadoop.metadata.BlockMetaData;
import org.apache.parquet.hadoop.metadata.ColumnChunkMetaData;
import org.apache.parquet.hadoop.util.HadoopInputFile;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.sql.SparkSession;

/** What a column really takes on disk, from the footers of its files. */
public final class ParquetBytes {
  private ParquetBytes() {}

  /** Compressed bytes of a column, and the rows that share them. */
  public record Stored(long bytes, long rows) implements java.io.Serializable {

    Stored plus(Stored other) {
      return new Stored(bytes + other.bytes, rows + other.rows);
    }

    /** The bytes of so many of the rows. */
    public long of(long some) {
      return rows == 0 ? 0 : Math.round((double) bytes * some / rows);
    }
  }

  /** Adds up the files below a folder, each in a task. */
  public static Stored of(SparkSession spark, HadoopStorage storage, String folder, String column)
      throws IOException {
    List<String> files =
        storage.files(folder).keySet().stream()
            .filter(name -> name.endsWith(".parquet"))
            .map(name -> Storage.join(folder, name))
            .toList();
    if (files.isEmpty()) {
      return new Stored(0, 0);
    }
    int tasks = Math.min(files.size(), spark.sparkContext().defaultParallelism());
    return JavaSparkContext.fromSparkContext(spark.sparkContext())
        .parallelize(files, tasks)
        .map(file -> ofFile(storage, file, column))
        .reduce(Stored::plus);
  }

  private static Stored ofFile(HadoopStorage storage, String file, String column)
      throws IOException {
    HadoopInputFile input = HadoopInputFile.fromPath(new Path(file), storage.configuration());
    long bytes = 0;
    long rows = 0;
    try (ParquetFileReader reader = ParquetFileReader.open(input)) {
      for (BlockMetaData block : reader.getFooter().getBlocks()) {
        rows += block.getRowCount();
        for (ColumnChunkMetaData chunk : block.getColumns()) {
          if (chunk.getPath().toArray()[0].equals(column)) {
            bytes += chunk.getTotalSize();
          }
        }
      }
    }
    return new Stored(bytes, rows);
  }
}
