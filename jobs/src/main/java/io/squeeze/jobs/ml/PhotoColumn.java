package io.squeeze.jobs.ml;

import io.squeeze.config.SqueezeException;
import io.squeeze.image.BadSampleException;
import io.squeeze.image.BadSampleException.Code;
import io.squeeze.image.ImageDecoder;
import io.squeeze.jobs.photo.Reading.Files;
import io.squeeze.jobs.photo.Reading.Source;
import io.squeeze.storage.Storage;
import java.io.Serializable;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;

/**
 * A column of photos: the bytes of their files, their paths, a struct of both ({@code bytes},
 * {@code path}), or Spark's image struct.
 *
 * @param fields of a struct, in order: a row that another stage made does not know their names
 */
record PhotoColumn(int index, Kind kind, List<String> fields) implements Serializable {

  /** What a cell holds. */
  enum Kind {
    BYTES,
    PATH,
    FILE,
    IMAGE
  }

  /**
   * The column of a name.
   *
   * @throws SqueezeException of category input if there is none, or its cells are no photos
   */
  static PhotoColumn of(StructType schema, String name) {
    List<String> names = List.of(schema.fieldNames());
    if (!names.contains(name)) {
      throw SqueezeException.input(
          "There is no column %s among %s (inputCol)".formatted(name, names));
    }
    int index = schema.fieldIndex(name);
    DataType type = schema.fields()[index].dataType();
    if (type.equals(DataTypes.BinaryType)) {
      return new PhotoColumn(index, Kind.BYTES, List.of());
    }
    if (type.equals(DataTypes.StringType)) {
      return new PhotoColumn(index, Kind.PATH, List.of());
    }
    if (type instanceof StructType struct) {
      List<String> fields = List.of(struct.fieldNames());
      if (fields.containsAll(List.of("height", "width", "nChannels", "mode", "data"))) {
        return new PhotoColumn(index, Kind.IMAGE, fields);
      }
      if (fields.containsAll(List.of("bytes", "path"))) {
        return new PhotoColumn(index, Kind.FILE, fields);
      }
    }
    throw SqueezeException.input(
        ("The column %s is %s: a photo is bytes, a path, a struct of bytes and path, or Spark's image"
                + " struct (inputCol)")
            .formatted(name, type.simpleString()));
  }

  /** Whether every cell holds its photo. */
  boolean inMemory() {
    return kind == Kind.BYTES || kind == Kind.IMAGE;
  }

  /** Reads the photos of rows. */
  Source source(ImageDecoder decoder, Storage storage) {
    return row -> new Files(row, () -> bytes(row, decoder, storage), null, null);
  }

  private byte[] bytes(Row row, ImageDecoder decoder, Storage storage) throws BadSampleException {
    if (row.isNullAt(index)) {
      throw new BadSampleException(Code.MISSING, "the photo is null");
    }
    return switch (kind) {
      case BYTES -> decoder.checked(row.getAs(index), "the photo");
      case PATH -> decoder.read(storage, row.getString(index));
      case FILE -> {
        Row file = row.getStruct(index);
        byte[] own = file.getAs(at("bytes"));
        String path = file.getAs(at("path"));
        if (own == null && path == null) {
          throw new BadSampleException(Code.MISSING, "the photo has neither bytes nor a path");
        }
        yield own == null
            ? decoder.read(storage, path)
            : decoder.checked(own, path == null ? "the photo" : path);
      }
      case IMAGE -> bitmap(row.getStruct(index));
    };
  }

  private int at(String field) {
    return fields.indexOf(field);
  }

  /**
   * Spark's image struct as a BMP file: rows of BGR bytes from top to bottom, grey ones repeated,
   * the fourth channel left out.
   */
  private byte[] bitmap(Row image) throws BadSampleException {
    int height = image.getAs(at("height"));
    int width = image.getAs(at("width"));
    int channels = image.getAs(at("nChannels"));
    byte[] data = image.getAs(at("data"));
    boolean known = channels == 1 || channels == 3 || channels == 4;
    if (!known || height < 1 || width < 1 || data.length != (long) height * width * channels) {
      throw new BadSampleException(
          Code.UNSUPPORTED,
          "an image of %d x %d pixels in %d channels of 8 bits does not have %d bytes"
              .formatted(height, width, channels, data.length));
    }
    int line = (3 * width + 3) / 4 * 4;
    int header = 54;
    long size = header + (long) line * height;
    if (size > Integer.MAX_VALUE - 8) {
      throw new BadSampleException(Code.TOO_LARGE, "an image of " + size + " bytes");
    }
    ByteBuffer bmp = ByteBuffer.allocate((int) size).order(ByteOrder.LITTLE_ENDIAN);
    bmp.put((byte) 'B').put((byte) 'M').putInt((int) size).putInt(0).putInt(header);
    // A negative height: the first row is the top one.
    bmp.putInt(40).putInt(width).putInt(-height).putShort((short) 1).putShort((short) 24);
    bmp.putInt(0).putInt(line * height);
    byte[] row = new byte[line];
    for (int y = 0; y < height; y++) {
      bmp.position(header + y * line);
      int from = y * width * channels;
      if (channels == 3) {
        bmp.put(data, from, 3 * width);
        continue;
      }
      for (int x = 0; x < width; x++) {
        int at = from + x * channels;
        row[3 * x] = data[at];
        row[3 * x + 1] = data[at + (channels == 1 ? 0 : 1)];
        row[3 * x + 2] = data[at + (channels == 1 ? 0 : 2)];
      }
      bmp.put(row);
    }
    return bmp.array();
  }
}
