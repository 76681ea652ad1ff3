package io.squeeze.jobs.extract;

import io.squeeze.image.BadSampleException;
import io.squeeze.image.BadSampleException.Code;
import io.squeeze.image.ImageDecoder;
import io.squeeze.jobs.photo.Reading.Files;
import io.squeeze.jobs.photo.Reading.Source;
import io.squeeze.jobs.publish.Columns;
import io.squeeze.storage.Storage;
import java.util.Arrays;
import org.apache.spark.sql.Row;

/**
 * Where the files of listed samples are read from.
 *
 * @param root folder that paths of rows start from
 * @param masks whether masks are read, too
 */
record ListedFiles(ImageDecoder decoder, Storage storage, String root, boolean masks)
    implements Source {

  @Override
  public Files files(Row row) {
    BadSampleException refusal =
        row.<Boolean>getAs(Listing.DUPLICATE)
            ? new BadSampleException(Code.DUPLICATE, "the lists name this sample before")
            : null;
    return new Files(
        row,
        () -> read(row, Listing.IMAGE, Listing.IMAGE_BYTES),
        masks ? () -> read(row, Columns.MASK, Listing.MASK_BYTES) : null,
        refusal);
  }

  /** A file's bytes: of a table's row, or read by its path. */
  private byte[] read(Row row, String path, String bytes) throws BadSampleException {
    boolean held = Arrays.asList(row.schema().fieldNames()).contains(bytes);
    String name = row.getAs(path);
    byte[] own = held ? row.<byte[]>getAs(bytes) : null;
    if (own != null) {
      return decoder.checked(own, name);
    }
    // A row without bytes may name a file; the sample's id stands where it does not.
    if (name.isEmpty() || (held && name.equals(row.getAs(Columns.SAMPLE_ID)))) {
      throw new BadSampleException(Code.MISSING, "the list names no file");
    }
    if (name.startsWith("/")
        || name.contains(":")
        || Arrays.asList(name.split("/")).contains("..")) {
      throw new BadSampleException(
          Code.IO,
          "the path leaves the data set's folder, or has a colon, which Hadoop cannot read: "
              + name);
    }
    return decoder.read(storage, Storage.join(root, name));
  }
}
