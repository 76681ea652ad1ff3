package io.squeeze.jobs.publish;

import io.squeeze.jobs.publish.Versions.Published;
import io.squeeze.jobs.storage.HadoopStorage;
import io.squeeze.storage.Storage;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.apache.hadoop.fs.Path;
import org.apache.parquet.example.data.Group;
import org.apache.parquet.hadoop.ParquetReader;
import org.apache.parquet.hadoop.example.GroupReadSupport;

/** What the codes of a version stand for, read without Spark. */
public final class CodebookFile {
  private CodebookFile() {}

  /**
   * The decoded vectors of each level's codes, [levels][codes * channels]. Spark may be about to
   * send a task that needs them: a job would wait for that forever.
   */
  public static float[][] vectors(HadoopStorage storage, Published codes) throws IOException {
    int channels = codes.manifest().channels();
    List<List<Group>> levels = new ArrayList<>();
    for (DataFile file : codes.manifest().files()) {
      if (file.path().startsWith(Versions.CODEBOOK + "/")) {
        read(storage, Storage.join(codes.path(), file.path()), levels);
      }
    }
    return levels.stream().map(rows -> joined(rows, channels)).toArray(float[][]::new);
  }

  private static void read(HadoopStorage storage, String path, List<List<Group>> levels)
      throws IOException {
    try (ParquetReader<Group> reader =
        ParquetReader.builder(new GroupReadSupport(), new Path(path))
            .withConf(storage.configuration())
            .build()) {
      for (Group row = reader.read(); row != null; row = reader.read()) {
        int level = row.getInteger(Columns.LEVEL, 0);
        while (levels.size() <= level) {
          levels.add(new ArrayList<>());
        }
        levels.get(level).add(row);
      }
    }
  }

  private static float[] joined(List<Group> rows, int channels) {
    float[] vectors = new float[rows.size() * channels];
    for (Group row : rows) {
      Group values = row.getGroup(Columns.VECTOR, 0);
      int at = row.getInteger(Columns.CODE, 0) * channels;
      for (int c = 0; c < channels; c++) {
        vectors[at + c] = values.getGroup(0, c).getFloat(0, 0);
      }
    }
    return vectors;
  }
}
