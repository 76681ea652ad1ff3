package io.squeeze.jobs.predict;

import io.squeeze.jobs.console.Progress;
import io.squeeze.jobs.publish.Columns;
import io.squeeze.jobs.publish.Versions.Published;
import io.squeeze.jobs.spark.JobDescription;
import io.squeeze.jobs.spark.SqueezeSession;
import io.squeeze.jobs.storage.FolderLock;
import io.squeeze.jobs.storage.HadoopStorage;
import io.squeeze.report.LabelPicture;
import io.squeeze.storage.Storage;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;
import org.apache.spark.sql.Row;
import org.apache.spark.util.LongAccumulator;

/** The masks of a version of predictions as PNG files, a file for each sample. */
final class MaskPictures {
  /** The folder beside the versions. */
  static final String FOLDER = "png";

  private final SqueezeSession session;
  private final Published predictions;

  MaskPictures(SqueezeSession session, Published predictions) {
    this.session = session;
    this.predictions = predictions;
  }

  /**
   * Writes the files that are missing. The folder gets its final name when all are there, so a run
   * that was interrupted is continued.
   *
   * @return the folder
   */
  String write() throws IOException {
    HadoopStorage storage = session.storage();
    String version = predictions.path();
    int slash = version.lastIndexOf('/');
    String base = Storage.join(version.substring(0, slash), FOLDER);
    String name = version.substring(slash + 1);
    String folder = Storage.join(base, name);
    if (storage.exists(folder)) {
      session.reporter().say("There already: " + folder);
      return folder;
    }
    return FolderLock.holding(
        storage,
        base,
        () -> {
          String growing = Storage.join(base, "_" + name + "." + FOLDER);
          write(storage, growing);
          storage.move(growing, folder);
          return folder;
        });
  }

  private void write(HadoopStorage storage, String folder) {
    List<Integer> palette = predictions.manifest().palette();
    LongAccumulator written = session.spark().sparkContext().longAccumulator("pictures");
    JobDescription.name(session.spark(), "predict " + predictions.path(), "pictures");
    try (Progress progress =
        new Progress(
            session.reporter(),
            "predict",
            "pictures",
            predictions.manifest().samples(),
            written::value)) {
      predictions
          .read(session.spark())
          .select(Columns.SAMPLE_ID, Columns.MASK, Columns.MASK_HEIGHT, Columns.MASK_WIDTH)
          .toJavaRDD()
          .foreachPartition(
              rows -> {
                for (Iterator<Row> left = rows; left.hasNext(); written.add(1)) {
                  Row row = left.next();
                  String path = Storage.join(folder, fileName(row.getString(0)));
                  if (!storage.exists(path)) {
                    byte[] png =
                        LabelPicture.png(row.getAs(1), row.getInt(2), row.getInt(3), palette);
                    storage.replace(path, out -> out.write(png));
                  }
                }
              });
      session
          .reporter()
          .say(
              String.format(
                  Locale.ROOT,
                  "Wrote %d pictures in %.1f s",
                  predictions.manifest().samples(),
                  progress.seconds()));
    }
  }

  /**
   * The file of a sample: its id and {@code .png}. Slashes stay. What does not belong into a file's
   * name stands as %XX, and so does a name that would lead out of the folder.
   */
  static String fileName(String id) {
    return Arrays.stream(id.split("/", -1))
            .map(MaskPictures::escaped)
            .collect(Collectors.joining("/"))
        + ".png";
  }

  private static String escaped(String name) {
    if (name.isEmpty() || name.equals(".") || name.equals("..")) {
      return "%" + name.replace(".", "%2E");
    }
    StringBuilder escaped = new StringBuilder();
    name.codePoints()
        .forEach(
            c -> {
              if (Character.isLetterOrDigit(c) || " ._-+()[]@,=".indexOf(c) >= 0) {
                escaped.appendCodePoint(c);
              } else {
                for (byte b : Character.toString(c).getBytes(StandardCharsets.UTF_8)) {
                  escaped.append(String.format("%%%02X", b));
                }
              }
            });
    return escaped.toString();
  }
}
