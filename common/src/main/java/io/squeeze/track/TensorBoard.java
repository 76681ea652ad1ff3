package io.squeeze.track;

import io.squeeze.track.Ending.Status;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Locale;
import java.util.Map;
import java.util.zip.CRC32C;

/**
 * Writes TensorBoard's event files: one per epoch. A file is complete or does not exist. So the
 * files may lie on any storage, and a run that continues replaces the files after its checkpoint.
 * TensorBoard reads the files of a folder as one, by name.
 *
 * <p>A file is a sequence of records, {@code length, crc(length), Event, crc(Event)}; messages and
 * their fields are those of TensorFlow's event.proto and summary.proto, and of the plugins text and
 * hparams of TensorBoard.
 */
public final class TensorBoard implements Tracker {
  private static final int CRC_MASK = 0xA282EAD8;
  private static final int STRING = 7;
  private static final int FLOAT = 1;
  private static final String FORM = "events.out.tfevents.%010d.squeeze";
  private static final String FORM_OF_LAST = "events.out.tfevents.9999999999.squeeze";

  /** Where files go. */
  public interface Folder {
    /** Replaces a file, whole or not at all. */
    void write(String name, byte[] content) throws IOException;
  }

  private final Folder folder;

  /** Writes to a folder. */
  public TensorBoard(Folder folder) {
    this.folder = folder;
  }

  @Override
  public String name() {
    return "TensorBoard";
  }

  /**
   * The epoch of a file in such a folder: 0 for the run's beginning, {@link Integer#MAX_VALUE} for
   * its end, and -1 for a file that is not ours.
   */
  public static int epoch(String name) {
    if (name.equals(FORM_OF_LAST)) {
      return Integer.MAX_VALUE;
    }
    String digits = name.replaceFirst("^events\\.out\\.tfevents\\.([0-9]{10})\\.squeeze$", "$1");
    return digits.length() == 10 && !digits.equals(name) ? (int) Long.parseLong(digits) : -1;
  }

  @Override
  public void start(RunInfo run) throws IOException {
    double now = System.currentTimeMillis() / 1e3;
    StringBuilder table = new StringBuilder("| setting | value |\n| --- | --- |\n");
    Proto session = new Proto();
    run.parameters()
        .forEach(
            (key, value) -> {
              table.append("| ").append(key).append(" | ").append(cell(value)).append(" |\n");
              session.message(1, new Proto().text(1, key).message(2, value(value)));
            });
    session.text(4, run.name()).number(5, now);
    Proto text =
        new Proto()
            .text(1, "settings")
            .message(8, strings(table.toString()))
            .message(9, plugin("text", new Proto()));
    Proto hparams = hparams("_hparams_/session_start_info", new Proto().message(3, session));
    write(String.format(Locale.ROOT, FORM, 0), now, 0, text, hparams);
  }

  @Override
  public void attach(RunInfo run) {
    // An epoch's file is whole; what is found later has no place among them.
  }

  @Override
  public void log(EpochReport step) throws IOException {
    if (step.again()) {
      return;
    }
    Proto[] values =
        new Proto[step.scalars().size() + step.pictures().size() + step.histograms().size()];
    int next = 0;
    for (Map.Entry<String, Double> scalar : step.scalars().entrySet()) {
      values[next++] =
          new Proto().text(1, scalar.getKey()).number(2, scalar.getValue().floatValue());
    }
    for (Map.Entry<String, byte[]> picture : step.pictures().entrySet()) {
      values[next++] = new Proto().text(1, picture.getKey()).message(4, image(picture.getValue()));
    }
    for (Map.Entry<String, Histogram> histogram : step.histograms().entrySet()) {
      values[next++] =
          new Proto().text(1, histogram.getKey()).message(5, histogram(histogram.getValue()));
    }
    String name = String.format(Locale.ROOT, FORM, step.epoch());
    write(name, step.millis() / 1e3, step.epoch(), values);
  }

  @Override
  public void keep(Artifact artifact) {
    // The file lies beside the events.
  }

  @Override
  public void finish(Ending ending) throws IOException {
    double now = ending.millis() / 1e3;
    int status = ending.status() == Status.COMPLETED ? 1 : 2;
    Proto session = new Proto().integer(1, status).number(2, now);
    write(
        FORM_OF_LAST,
        now,
        0,
        hparams("_hparams_/session_end_info", new Proto().message(4, session)));
  }

  private static String cell(String text) {
    return text.replace("|", "\\|").replace('\n', ' ');
  }

  /** A google.protobuf.Value. */
  private static Proto value(String text) {
    if (text.equals("true") || text.equals("false")) {
      return new Proto().integer(4, text.equals("true") ? 1 : 0);
    }
    try {
      return new Proto().number(2, Double.parseDouble(text));
    } catch (NumberFormatException e) {
      return new Proto().text(3, text);
    }
  }

  private static Proto strings(String text) {
    Proto shape = new Proto().message(2, new Proto().integer(1, 1));
    return new Proto().integer(1, STRING).message(2, shape).text(8, text);
  }

  private static Proto plugin(String name, Proto content) {
    Proto data = new Proto().text(1, name).bytes(2, content.bytes());
    return new Proto().message(1, data);
  }

  /** A value of the plugin, whose tensor is an empty one. */
  private static Proto hparams(String tag, Proto content) {
    Proto nothing =
        new Proto().integer(1, FLOAT).message(2, new Proto().message(2, new Proto().integer(1, 0)));
    return new Proto().text(1, tag).message(8, nothing).message(9, plugin("hparams", content));
  }

  /** Width and height stand in the PNG's first chunk. */
  private static Proto image(byte[] png) {
    ByteBuffer header = ByteBuffer.wrap(png);
    return new Proto()
        .integer(1, header.getInt(20))
        .integer(2, header.getInt(16))
        .integer(3, 3)
        .bytes(4, png);
  }

  private static Proto histogram(Histogram h) {
    return new Proto()
        .number(1, h.min())
        .number(2, h.max())
        .number(3, h.count())
        .number(4, h.sum())
        .number(5, h.squares())
        .numbers(6, h.limits())
        .numbers(7, h.counts());
  }

  private void write(String name, double seconds, long step, Proto... values) throws IOException {
    ByteArrayOutputStream file = new ByteArrayOutputStream();
    record(file, new Proto().number(1, seconds).text(3, "brain.Event:2"));
    Proto summary = new Proto();
    for (Proto value : values) {
      summary.message(1, value);
    }
    record(file, new Proto().number(1, seconds).integer(2, step).message(5, summary));
    folder.write(name, file.toByteArray());
  }

  private static void record(ByteArrayOutputStream file, Proto event) {
    byte[] data = event.bytes();
    byte[] length =
        ByteBuffer.allocate(Long.BYTES).order(ByteOrder.LITTLE_ENDIAN).putLong(data.length).array();
    file.writeBytes(length);
    file.writeBytes(crc(length));
    file.writeBytes(data);
    file.writeBytes(crc(data));
  }

  private static byte[] crc(byte[] data) {
    CRC32C crc = new CRC32C();
    crc.update(data);
    int value = (int) crc.getValue();
    int masked = ((value >>> 15) | (value << 17)) + CRC_MASK;
    return ByteBuffer.allocate(Integer.BYTES).order(ByteOrder.LITTLE_ENDIAN).putInt(masked).array();
  }
}
