package io.squeeze.jobs.run;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.annotation.JsonPropertyOrder;
import com.fasterxml.jackson.databind.JsonNode;
import io.squeeze.jobs.storage.HadoopStorage;
import io.squeeze.train.Checkpoint;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * What a finished run came to, for people and scripts.
 *
 * @param quantizer its type
 * @param bestEpoch in {@code train.monitor}
 * @param metrics of the last epoch; null where they are not recorded
 */
@JsonInclude(JsonInclude.Include.NON_NULL)
@JsonPropertyOrder({"run", "quantizer", "epoch", "epochs", "best_epoch", "monitor", "best"})
public record RunSummary(
    String run,
    String quantizer,
    int epoch,
    int epochs,
    @JsonProperty("best_epoch") int bestEpoch,
    String monitor,
    Double best,
    String checkpoint,
    @JsonProperty("best_checkpoint") String bestCheckpoint,
    JsonNode metrics) {

  /** Of the run whose last checkpoint lies at a path. */
  public static RunSummary of(HadoopStorage storage, String path) throws IOException {
    Checkpoint last = Checkpoint.read(storage, path);
    RunFolder folder = RunFolder.of(storage, path);
    String home = path.substring(0, Math.max(0, path.lastIndexOf('/')));
    double best = last.progress().best();
    return new RunSummary(
        home.substring(home.lastIndexOf('/') + 1),
        last.settings().quantizer().type(),
        last.epoch(),
        last.settings().train().epochs(),
        last.progress().bestEpoch(),
        last.settings().train().stop().monitor(),
        Double.isNaN(best) ? null : best,
        path,
        folder.path(RunFolder.BEST),
        folder.metrics(last.epoch()).orElse(null));
  }

  /** A few lines that say it all. */
  public List<String> lines() {
    List<String> lines = new ArrayList<>();
    lines.add(
        String.format(
            Locale.ROOT,
            "Run %s (%s): epoch %d of %d, best %d%s",
            run,
            quantizer,
            epoch,
            epochs,
            bestEpoch,
            best == null ? "" : String.format(Locale.ROOT, " (%s %.4f)", monitor, best)));
    if (metrics != null) {
      lines.add("  train: " + measured("train"));
      if (metrics.has("val/loss")) {
        lines.add("  val:   " + measured("val"));
      }
    }
    lines.add("  " + checkpoint.replace(RunFolder.LAST, "") + ": best.ckpt, metrics.jsonl");
    lines.add("Checkpoint: " + checkpoint);
    return lines;
  }

  private String measured(String part) {
    List<String> values = new ArrayList<>();
    add(values, part, "loss", "loss %.4f");
    add(values, part, "iou", "mIoU %.4f");
    add(values, part, "acc", "accuracy %.4f");
    add(values, part, "codes_used", "codes used %.0f");
    add(values, part, "perplexity", "perplexity %.1f");
    add(values, part, "images_per_second", "%.1f images/s");
    return String.join(", ", values);
  }

  private void add(List<String> values, String part, String metric, String form) {
    JsonNode value = metrics.path(part + "/" + metric);
    if (value.isNumber()) {
      values.add(String.format(Locale.ROOT, form, value.asDouble()));
    }
  }
}
