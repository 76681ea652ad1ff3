package io.squeeze.track;

import static org.assertj.core.api.Assertions.assertThat;

import io.squeeze.track.Ending.Status;
import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.zip.CRC32C;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.tensorflow.framework.Summary.Value;
import org.tensorflow.util.Event;

/** What is written is read back with TensorFlow's own message classes. */
class TensorBoardTest {
  private final Map<String, byte[]> files = new TreeMap<>();
  private final TensorBoard tensorBoard = new TensorBoard(files::put);

  /** The events of a file, whose checksums are checked as TensorFlow's record reader does. */
  private static List<Event> events(byte[] file) throws Exception {
    List<Event> events = new ArrayList<>();
    ByteBuffer in = ByteBuffer.wrap(file).order(ByteOrder.LITTLE_ENDIAN);
    while (in.hasRemaining()) {
      byte[] length = Arrays.copyOfRange(file, in.position(), in.position() + 8);
      byte[] data = new byte[Math.toIntExact(in.getLong())];
      assertThat(in.getInt()).isEqualTo(masked(length));
      in.get(data);
      assertThat(in.getInt()).isEqualTo(masked(data));
      events.add(Event.parseFrom(data));
    }
    return events;
  }

  private static int masked(byte[] data) {
    CRC32C crc = new CRC32C();
    crc.update(data);
    return Integer.rotateRight((int) crc.getValue(), 15) + 0xa282ead8;
  }

  @Test
  void anEpochIsOneFileThatTensorFlowReads() throws Exception {
    ByteArrayOutputStream png = new ByteArrayOutputStream();
    ImageIO.write(new BufferedImage(7, 5, BufferedImage.TYPE_INT_RGB), "png", png);
    tensorBoard.log(
        new EpochReport(
            3,
            1_700_000_000_500L,
            Map.of("train/loss", 0.25, "val/iou", Double.NaN),
            Map.of("val/pictures", png.toByteArray()),
            Map.of("codes/level_0", Histogram.ofCodes(new long[] {4, 0, 300})),
            false));

    List<Event> events = events(files.get("events.out.tfevents.0000000003.squeeze"));
    assertThat(events).hasSize(2);
    assertThat(events.get(0).getFileVersion()).isEqualTo("brain.Event:2");
    assertThat(events.get(1).getStep()).isEqualTo(3);
    assertThat(events.get(1).getWallTime()).isEqualTo(1_700_000_000.5);
    Map<String, Value> values = new TreeMap<>();
    events.get(1).getSummary().getValueList().forEach(v -> values.put(v.getTag(), v));
    assertThat(values.get("train/loss").getSimpleValue()).isEqualTo(0.25f);
    assertThat(values.get("val/iou").getSimpleValue()).isNaN();
    assertThat(values.get("val/pictures").getImage().getWidth()).isEqualTo(7);
    assertThat(values.get("val/pictures").getImage().getHeight()).isEqualTo(5);
    assertThat(values.get("val/pictures").getImage().getEncodedImageString().toByteArray())
        .isEqualTo(png.toByteArray());
    assertThat(values.get("codes/level_0").getHisto().getBucketList())
        .containsExactly(4.0, 0.0, 300.0);
    assertThat(values.get("codes/level_0").getHisto().getNum()).isEqualTo(304);
  }

  @Test
  void settingsAndEndingAreThereForThePluginsOfTextAndHyperParameters() throws Exception {
    RunInfo.Ids ids = new KnownIds();
    tensorBoard.start(new RunInfo("p", "vq", Map.of("train.lr", "1.0E-4", "note", "a|b"), 0, ids));
    tensorBoard.finish(new Ending(Status.FAILED, 1000, "why"));

    assertThat(files.keySet())
        .containsExactly(
            "events.out.tfevents.0000000000.squeeze", "events.out.tfevents.9999999999.squeeze");
    List<Value> first =
        events(files.get("events.out.tfevents.0000000000.squeeze"))
            .get(1)
            .getSummary()
            .getValueList();
    assertThat(first.get(0).getTensor().getStringVal(0).toStringUtf8())
        .contains("| train.lr | 1.0E-4 |", "| note | a\\|b |");
    assertThat(first.get(0).getMetadata().getPluginData().getPluginName()).isEqualTo("text");
    assertThat(first.get(1).getTag()).isEqualTo("_hparams_/session_start_info");
    assertThat(first.get(1).getMetadata().getPluginData().getContent().toStringUtf8())
        .contains("train.lr", "vq");
    Value last =
        events(files.get("events.out.tfevents.9999999999.squeeze")).get(1).getSummary().getValue(0);
    assertThat(last.getMetadata().getPluginData().getPluginName()).isEqualTo("hparams");
  }

  @Test
  void filesKnowTheirEpoch() {
    assertThat(TensorBoard.epoch("events.out.tfevents.0000000012.squeeze")).isEqualTo(12);
    assertThat(TensorBoard.epoch("events.out.tfevents.9999999999.squeeze"))
        .isEqualTo(Integer.MAX_VALUE);
    assertThat(TensorBoard.epoch("events.out.tfevents.1700000000.host.1.0")).isEqualTo(-1);
  }

  @Test
  void aHistogramCountsEveryFiniteValueOnce() {
    Histogram histogram =
        Histogram.of(new float[] {-1, 0, 0.5f, 1, Float.NaN, Float.POSITIVE_INFINITY});
    assertThat(histogram.count()).isEqualTo(4);
    assertThat(histogram.min()).isEqualTo(-1);
    assertThat(histogram.limits()[histogram.limits().length - 1]).isEqualTo(1);
    assertThat(histogram.squares()).isEqualTo(2.25);
    Histogram many = Histogram.ofCodes(new long[16_384]);
    assertThat(many.limits()).hasSize(512).endsWith(16_384);
    assertThat(Histogram.of(new float[] {2, 2}).count()).isEqualTo(2);
    assertThat(Histogram.of(new float[] {Float.NaN}).count()).isZero();
  }
}
