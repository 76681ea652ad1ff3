package io.squeeze.jobs.extract;

import io.squeeze.config.Settings;
import io.squeeze.dataset.SegmentationDataset;
import io.squeeze.image.BadSampleException;
import io.squeeze.image.BadSampleException.Code;
import io.squeeze.image.ImageDecoder;
import io.squeeze.image.Mask;
import io.squeeze.image.Photo;
import io.squeeze.image.Preprocessing;
import io.squeeze.jobs.spark.Columns;
import io.squeeze.storage.Storage;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Deque;
import java.util.Iterator;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.spark.sql.Row;

/**
 * Decodes photos in threads of its own, a bounded number ahead of who takes them, in the order of
 * the rows; without threads, when they are taken.
 */
final class Decoding implements Iterator<Prepared>, AutoCloseable {
  /** Scaled photos of a task that are decoded in full, too, to tell what scaling costs. */
  private static final int MEASURED = 1;

  private final Iterator<Row> rows;
  private final Preparation preparation;
  private final int ahead;
  private final ExecutorService threads;
  private final Deque<Future<Prepared>> begun = new ArrayDeque<>();
  private final AtomicLong nanos = new AtomicLong();
  private final Queue<float[]> free = new ConcurrentLinkedQueue<>();
  private final AtomicInteger measured = new AtomicInteger();

  /**
   * What is done with a row.
   *
   * @param masks whether masks are read, too
   */
  record Preparation(
      SegmentationDataset dataset,
      Storage storage,
      String root,
      Settings settings,
      Preprocessing preprocessing,
      boolean masks) {}

  Decoding(Iterator<Row> rows, Preparation preparation, int threads, int ahead) {
    this.rows = rows;
    this.preparation = preparation;
    this.ahead = ahead;
    this.threads = threads == 0 ? null : pool(threads);
  }

  private static ExecutorService pool(int threads) {
    return Executors.newFixedThreadPool(
        threads,
        task -> {
          Thread thread = new Thread(task, "decode");
          thread.setDaemon(true);
          return thread;
        });
  }

  @Override
  public boolean hasNext() {
    while (threads != null && begun.size() < ahead && rows.hasNext()) {
      Row row = rows.next();
      begun.add(threads.submit(() -> timed(row)));
    }
    return threads == null ? rows.hasNext() : !begun.isEmpty();
  }

  @Override
  public Prepared next() {
    if (threads == null) {
      return timed(rows.next());
    }
    try {
      return begun.remove().get();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException("Interrupted while decoding", e);
    } catch (ExecutionException e) {
      throw e.getCause() instanceof RuntimeException known
          ? known
          : new IllegalStateException("Decoding failed", e.getCause());
    }
  }

  /** Takes an array back that was used, so that no photo needs a new one: they are large. */
  void recycle(float[] pixels) {
    free.add(pixels);
  }

  private float[] planes() {
    float[] used = free.poll();
    return used == null ? new float[preparation.preprocessing().values()] : used;
  }

  /** Time of all threads together. */
  long nanos() {
    return nanos.get();
  }

  private Prepared timed(Row row) {
    long began = System.nanoTime();
    try {
      return prepare(row);
    } finally {
      nanos.addAndGet(System.nanoTime() - began);
    }
  }

  private Prepared prepare(Row row) {
    String stage = "list";
    try {
      if (row.<Boolean>getAs(Listing.DUPLICATE)) {
        throw new BadSampleException(Code.DUPLICATE, "the lists name this sample before");
      }
      stage = "image";
      ImageDecoder decoder = new ImageDecoder(preparation.settings().image());
      Preprocessing preprocessing = preparation.preprocessing();
      byte[] file = file(decoder, row, Listing.IMAGE, Listing.IMAGE_BYTES);
      float[] pixels = planes();
      Photo photo = decoder.decodePhoto(file, preprocessing, pixels);
      byte[] labels = null;
      if (preparation.masks()) {
        stage = "mask";
        Mask mask = mask(decoder, row, photo);
        checkSizes(photo, mask);
        labels = preprocessing.crop(mask).data();
      }
      float[] unscaled = null;
      if (photo.denominator() > 1 && measured.getAndIncrement() < MEASURED) {
        unscaled = new float[preprocessing.values()];
        decoder.decodeUnscaled(file, preprocessing, unscaled);
      }
      return new Prepared(
          row,
          pixels,
          unscaled,
          labels,
          photo.height(),
          photo.width(),
          photo.warning(),
          null,
          null);
    } catch (BadSampleException e) {
      return Prepared.rejected(row, stage, e);
    }
  }

  /** The labels of a photo; without a mask, where that may be, none counts. */
  private Mask mask(ImageDecoder decoder, Row row, Photo photo) throws BadSampleException {
    SegmentationDataset dataset = preparation.dataset();
    try {
      return dataset.labelled(
          decoder.decodeMask(file(decoder, row, Columns.MASK, Listing.MASK_BYTES)));
    } catch (BadSampleException e) {
      if (e.code() != Code.MISSING || dataset.masksRequired()) {
        throw e;
      }
      byte[] ignored = new byte[photo.width() * photo.height()];
      Arrays.fill(ignored, (byte) 255);
      return new Mask(photo.width(), photo.height(), ignored);
    }
  }

  /** A file's bytes: of a table's row, or read by its path. */
  private byte[] file(ImageDecoder decoder, Row row, String path, String bytes)
      throws BadSampleException {
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
      throw new BadSampleException(Code.IO, "the path leaves the data set's folder: " + name);
    }
    return decoder.read(preparation.storage(), Storage.join(preparation.root(), name));
  }

  private static void checkSizes(Photo photo, Mask mask) throws BadSampleException {
    if (mask.width() != photo.width() || mask.height() != photo.height()) {
      throw new BadSampleException(
          Code.SIZE_MISMATCH,
          "the image has "
              + photo.width()
              + "x"
              + photo.height()
              + " pixels, the mask "
              + mask.width()
              + "x"
              + mask.height());
    }
  }

  @Override
  public void close() {
    if (threads != null) {
      threads.shutdownNow();
    }
  }
}
