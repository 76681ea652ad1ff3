package io.squeeze.jobs.extract;

import io.squeeze.jobs.publish.DataFile;
import java.io.Serializable;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * What became of one file of the plan.
 *
 * @param rejects null where there are none
 */
record FileResult(DataFile rows, DataFile rejects, Tally tally) implements Serializable {

  /**
   * Where the time went, in nanoseconds, and what was noticed on the way.
   *
   * @param images number of images that went through the backbone
   * @param read time that all decoding threads together waited for files
   * @param decode time of all decoding threads together, without this wait
   * @param waited time that the forward pass waited for decoding and for writing
   * @param threads number of threads that decode beside a task's forward pass; 0 if the task
   *     decodes itself
   * @param turbo number of images of tasks that have libjpeg-turbo
   * @param rounding the error of rounding to float16
   * @param scaling the change of features by decoding to a smaller size, for the photos where it
   *     was measured
   * @param warned number of photos that were decoded although a decoder would warn
   * @param warning one of these photos and its warning; null: none
   */
  record Tally(
      long images,
      long read,
      long decode,
      long forward,
      long write,
      long waited,
      int threads,
      long turbo,
      Change rounding,
      Change scaling,
      long warned,
      String warning)
      implements Serializable {
    static final Tally NOTHING =
        new Tally(0, 0, 0, 0, 0, 0, 0, 0, Change.NONE, Change.NONE, 0, null);

    private Tally plus(Tally o) {
      return new Tally(
          images + o.images,
          read + o.read,
          decode + o.decode,
          forward + o.forward,
          write + o.write,
          waited + o.waited,
          Math.max(threads, o.threads),
          turbo + o.turbo,
          rounding.plus(o.rounding),
          scaling.plus(o.scaling),
          warned + o.warned,
          warning == null ? o.warning : warning);
    }

    /** Where the time went, for the file of measurements. */
    Map<String, Object> metrics(double seconds) {
      Map<String, Object> metrics = new TreeMap<>();
      metrics.put("images", images);
      metrics.put("seconds", seconds);
      metrics.put("images_per_second", images / seconds);
      metrics.put("read_seconds", read / 1e9);
      metrics.put("decode_seconds", decode / 1e9);
      metrics.put("forward_seconds", forward / 1e9);
      metrics.put("write_seconds", write / 1e9);
      metrics.put("wait_seconds", waited / 1e9);
      return metrics;
    }

    /** The sum, in the order of the files. */
    static Tally sum(List<FileResult> files) {
      return files.stream().map(FileResult::tally).reduce(NOTHING, Tally::plus);
    }
  }

  /**
   * How far features moved.
   *
   * @param error sum of squares of the differences
   * @param norm sum of squares of the features
   */
  record Change(long images, double error, double norm) implements Serializable {
    static final Change NONE = new Change(0, 0, 0);

    Change plus(Change o) {
      return new Change(images + o.images, error + o.error, norm + o.norm);
    }

    /** The relative error, as root mean square. */
    double relative() {
      return norm == 0 ? 0 : Math.sqrt(error / norm);
    }
  }
}
