package io.squeeze.jobs.photo;

import io.squeeze.dataset.SegmentationDataset;
import io.squeeze.image.BadSampleException;
import io.squeeze.image.BadSampleException.Code;
import io.squeeze.image.ImageDecoder;
import io.squeeze.image.Mask;
import io.squeeze.image.Photo;
import io.squeeze.image.Preprocessing;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Deque;
import java.util.Iterator;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.spark.sql.Row;

/**
 * Decodes photos in the order of the rows. Its own threads decode a bounded number of photos ahead
 * of the consumer. Without threads, it decodes a photo when the consumer takes it.
 */
public final class Decoding implements Iterator<PreparedSample>, AutoCloseable {
  /** Scaled photos of a task that are decoded in full, too, to tell what scaling costs. */
  private static final int MEASURED = 1;

  private final Reading reading;
  private final Preparation preparation;
  private final int ahead;
  private final ExecutorService threads;
  private final Deque<Future<PreparedSample>> begun = new ArrayDeque<>();
  private final AtomicLong nanos = new AtomicLong();
  private final Queue<float[]> free = new ConcurrentLinkedQueue<>();
  private final AtomicInteger measured = new AtomicInteger();

  /**
   * What is done with a photo and its mask.
   *
   * @param dataset says what masks mean; null where none are read
   */
  public record Preparation(
      SegmentationDataset dataset, ImageDecoder decoder, Preprocessing preprocessing) {}

  /**
   * Decodes what is read, and closes {@code reading} with itself.
   *
   * @param threads that decode ahead; 0 for none
   * @param ahead photos that they hold
   */
  public Decoding(Reading reading, Preparation preparation, int threads, int ahead) {
    this.reading = reading;
    this.preparation = preparation;
    this.ahead = ahead;
    this.threads = threads == 0 ? null : Threads.fixed(threads, "decode");
  }

  @Override
  public boolean hasNext() {
    while (threads != null && begun.size() < ahead && reading.hasNext()) {
      Reading.Files files = reading.next();
      begun.add(threads.submit(() -> timed(files)));
    }
    return threads == null ? reading.hasNext() : !begun.isEmpty();
  }

  @Override
  public PreparedSample next() {
    if (threads == null) {
      return timed(reading.next());
    }
    try {
      return begun.remove().get();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException("Interrupted while decoding", e);
    } catch (ExecutionException e) {
      throw Threads.unchecked("Decoding", e);
    }
  }

  /** Takes an array back that was used, so that no photo needs a new one: they are large. */
  public void recycle(float[] pixels) {
    free.add(pixels);
  }

  private float[] planes() {
    float[] used = free.poll();
    return used == null ? new float[preparation.preprocessing().values()] : used;
  }

  /** Time of all threads together, without what they waited for files. */
  public long nanos() {
    return nanos.get() - reading.nanos();
  }

  private PreparedSample timed(Reading.Files files) {
    long began = System.nanoTime();
    try {
      return prepare(files);
    } finally {
      nanos.addAndGet(System.nanoTime() - began);
    }
  }

  private PreparedSample prepare(Reading.Files files) {
    Row row = files.row();
    String stage = "list";
    try {
      if (files.refusal() != null) {
        throw files.refusal();
      }
      stage = "image";
      ImageDecoder decoder = preparation.decoder();
      Preprocessing preprocessing = preparation.preprocessing();
      byte[] file = files.image().get();
      float[] pixels = planes();
      Photo photo = decoder.decodePhoto(file, preprocessing, pixels);
      byte[] labels = null;
      if (files.mask() != null) {
        stage = "mask";
        Mask mask = mask(files.mask(), photo);
        checkSizes(photo, mask);
        labels = preprocessing.crop(mask).data();
      }
      float[] unscaled = null;
      if (photo.denominator() > 1 && measured.getAndIncrement() < MEASURED) {
        unscaled = new float[preprocessing.values()];
        decoder.decodeUnscaled(file, preprocessing, unscaled);
      }
      return new PreparedSample(
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
      return PreparedSample.rejected(row, stage, e);
    }
  }

  /**
   * The labels of a photo. If the mask is missing and the data set allows that, no pixel counts.
   */
  private Mask mask(Reading.Bytes file, Photo photo) throws BadSampleException {
    SegmentationDataset dataset = preparation.dataset();
    try {
      return dataset.mask(preparation.decoder(), file.get());
    } catch (BadSampleException e) {
      if (e.code() != Code.MISSING || dataset.masksRequired()) {
        throw e;
      }
      byte[] ignored = new byte[photo.width() * photo.height()];
      Arrays.fill(ignored, (byte) 255);
      return new Mask(photo.width(), photo.height(), ignored);
    }
  }

  private static void checkSizes(Photo photo, Mask mask) throws BadSampleException {
    if (mask.width() != photo.width() || mask.height() != photo.height()) {
      throw new BadSampleException(
          Code.SIZE_MISMATCH,
          "the image has %sx%s pixels, the mask %sx%s"
              .formatted(photo.width(), photo.height(), mask.width(), mask.height()));
    }
  }

  @Override
  public void close() {
    reading.close();
    if (threads != null) {
      threads.shutdownNow();
    }
  }
}
