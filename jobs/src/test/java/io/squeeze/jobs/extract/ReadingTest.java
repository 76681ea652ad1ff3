package io.squeeze.jobs.extract;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.squeeze.config.Settings;
import io.squeeze.image.BadSampleException;
import io.squeeze.image.ImageDecoder;
import io.squeeze.jobs.photo.Reading;
import io.squeeze.jobs.publish.Columns;
import io.squeeze.storage.RandomReader;
import io.squeeze.storage.Storage;
import java.io.ByteArrayInputStream;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.catalyst.expressions.GenericRowWithSchema;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;
import org.junit.jupiter.api.Test;

class ReadingTest {
  private static final StructType SCHEMA =
      new StructType()
          .add(Columns.SAMPLE_ID, DataTypes.StringType)
          .add(Listing.IMAGE, DataTypes.StringType)
          .add(Columns.MASK, DataTypes.StringType)
          .add(Listing.DUPLICATE, DataTypes.BooleanType);

  @Test
  void threadsReadManyFilesAtATimeAndHandThemOutInTheOrderOfTheRows() throws Exception {
    // Every read waits until four are under way: one after the other would wait for ever.
    CountDownLatch four = new CountDownLatch(4);
    Storage storage =
        new Stored() {
          @Override
          public InputStream open(String path) throws IOException {
            four.countDown();
            try {
              if (!four.await(30, TimeUnit.SECONDS)) {
                throw new IOException("read alone: " + path);
              }
            } catch (InterruptedException e) {
              throw new IOException(e);
            }
            return super.open(path);
          }
        };
    List<String> read = new ArrayList<>();
    try (Reading reading = reading(storage, 4)) {
      while (reading.hasNext()) {
        Reading.Files files = reading.next();
        read.add(text(files.image().get()) + " " + text(files.mask().get()));
      }
    }
    assertThat(read)
        .isEqualTo(
            IntStream.range(0, 20)
                .mapToObj(i -> "/data/p" + i + ".jpg /data/p" + i + ".png")
                .toList());
  }

  @Test
  void aFileThatIsNotThereIsSaidWhereItIsUsed() {
    Storage storage =
        new Stored() {
          @Override
          public InputStream open(String path) throws IOException {
            throw new FileNotFoundException(path);
          }
        };
    for (int threads : new int[] {0, 2}) {
      try (Reading reading = reading(storage, threads)) {
        assertThat(reading.hasNext()).isTrue();
        Reading.Files files = reading.next();
        assertThatThrownBy(() -> files.image().get())
            .isInstanceOf(BadSampleException.class)
            .hasMessage("no such file: /data/p0.jpg");
      }
    }
  }

  private static Reading reading(Storage storage, int threads) {
    List<Row> rows = new ArrayList<>();
    for (int i = 0; i < 20; i++) {
      Object[] values = {"p" + i, "p" + i + ".jpg", "p" + i + ".png", false};
      rows.add(new GenericRowWithSchema(values, SCHEMA));
    }
    ImageDecoder decoder = new ImageDecoder(Settings.defaults().image());
    return new Reading(rows.iterator(), new ListedFiles(decoder, storage, "/data", true), threads);
  }

  private static String text(byte[] bytes) {
    return new String(bytes, StandardCharsets.UTF_8);
  }

  /** Files that hold their own path. */
  private static class Stored implements Storage {
    private static final long serialVersionUID = 1L;

    @Override
    public InputStream open(String path) throws IOException {
      return new ByteArrayInputStream(path.getBytes(StandardCharsets.UTF_8));
    }

    @Override
    public RandomReader openRandom(String path) {
      throw new UnsupportedOperationException();
    }

    @Override
    public long length(String path) {
      return path.length();
    }

    @Override
    public boolean exists(String path) {
      return true;
    }

    @Override
    public Stream<String> folders(String folder) {
      throw new UnsupportedOperationException();
    }

    @Override
    public Stream<Entry> list(String folder) {
      return Stream.of();
    }
  }
}
