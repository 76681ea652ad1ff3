package io.squeeze.jobs.predict;

import io.squeeze.backbone.BackboneFile;
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

  /** The file that says which manifest's masks the pictures are. */
  private static final String OF = "_of";

  /** Bytes of a name that every file system takes, with what stands around it for a while. */
  private static final int LONGEST = 200;

  private final SqueezeSession session;
  private final Published predictions;

  MaskPictures(SqueezeSession session, Published predictions) {
    this.session = session;
    this.predictions = predictions;
  }

  /**
   * Writes the files that are missing. The folder gets its final name when all are there, so a run
   * that was interrupted is continued. Pictures of other masks, whose version was deleted, are
   * replaced.
   *
   * @return the folder
   */
  String write() throws IOException {
    HadoopStorage storage = session.storage();
    String version = predictions.path();
    int slash = version.lastIndexOf('/');
    String base = version.substring(0, slash);
    String name = version.substring(slash + 1);
    String folder = Storage.join(base, FOLDER + "/" + name);
    String digest = BackboneFile.digest(predictions.manifest().json());
    // The lock of the data set: gc takes it, too.
    return FolderLock.holding(
        storage,
        base,
        () -> {
          String of = Storage.join(folder, OF);
          if (storage.exists(of) && storage.text(of).equals(digest)) {
            session.reporter().say("There already: " + folder);
            return folder;
          }
          storage.delete(folder);
          String growing =
              Storage.join(base, "%s/_%s.%s".formatted(FOLDER, name, digest.substring(0, 16)));
          write(storage, growing);
          storage.replace(Storage.join(growing, OF), digest);
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
   * name stands as %XX, and so does a name that would lead out of the folder. A name that is too
   * long ends with the digest of all of it.
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
    String all = escaped.toString();
    byte[] bytes = all.getBytes(StandardCharsets.UTF_8);
    if (bytes.length <= LONGEST) {
      return all;
    }
    String digest = BackboneFile.digest(name).substring(0, 16);
    int kept = 0;
    while (all.substring(0, kept + 1).getBytes(StandardCharsets.UTF_8).length < LONGEST - 20) {
      kept++;
    }
    return all.substring(0, kept) + "~" + digest;
  }
}
