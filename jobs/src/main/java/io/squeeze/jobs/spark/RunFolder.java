package io.squeeze.jobs.spark;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.squeeze.config.Settings;
import io.squeeze.config.SqueezeException;
import io.squeeze.storage.Storage;
import io.squeeze.train.Checkpoint;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** The folder of one run: settings, checkpoints, metrics, evaluations. */
public final class RunFolder {
  public static final String LAST = "last.ckpt";
  public static final String BEST = "best.ckpt";
  private static final ObjectMapper JSON = new ObjectMapper();

  private final HadoopStorage storage;
  private final String path;
  private final List<String> metrics = new ArrayList<>();

  /** A folder that need not exist yet. */
  public RunFolder(HadoopStorage storage, String path) {
    this.storage = storage;
    this.path = path;
  }

  /** The folder that holds a checkpoint. */
  public static RunFolder of(HadoopStorage storage, String checkpoint) {
    int slash = checkpoint.lastIndexOf('/');
    return new RunFolder(storage, slash < 0 ? "." : checkpoint.substring(0, slash));
  }

  public String path(String name) {
    return Storage.join(path, name);
  }

  /** The state that an earlier run left, if any. */
  public Optional<Checkpoint> last() throws IOException {
    return storage.exists(path(LAST))
        ? Optional.of(Checkpoint.read(storage, path(LAST)))
        : Optional.empty();
  }

  /** The settings that a run was started with, if it left them. */
  public Optional<Settings> settings() throws IOException {
    return storage.exists(path("config.json"))
        ? Optional.of(Settings.parse(storage.text(path("config.json"))))
        : Optional.empty();
  }

  /**
   * Whether this run was finished before; says so.
   *
   * @param source what it was trained on
   * @param backbone SHA-256 of what made that
   * @throws SqueezeException of category configuration if another run lies here
   */
  public boolean finished(Settings asked, String source, String backbone) throws IOException {
    Optional<Checkpoint> last = last();
    if (last.isEmpty()) {
      return false;
    }
    List<String> differences =
        new ArrayList<>(Settings.differences(last.get().config(), asked.trainingJson()));
    String trained = settings().map(Settings::embeddings).orElse("unknown");
    if (!trained.equals(source) || !last.get().backbone().equals(backbone)) {
      differences.add("embeddings: is " + trained + ", asked for " + source);
    }
    if (!differences.isEmpty()) {
      throw SqueezeException.configuration(
          "Another run lies in "
              + path("")
              + " ("
              + String.join("; ", differences)
              + "); name another with --experiment_name");
    }
    if (last.get().epoch() < asked.train().epochs()) {
      Console.warn(
          "The run in "
              + path("")
              + " stopped after epoch "
              + last.get().epoch()
              + " of "
              + asked.train().epochs()
              + ": it begins again");
      return false;
    }
    Console.say("Trained already: " + path(LAST) + ", nothing to do");
    return true;
  }

  /** Begins a run: what an unfinished one left is replaced. */
  public void begin(Settings settings) throws IOException {
    storage.delete(path(LAST));
    storage.delete(path(BEST));
    storage.replace(path("config.json"), pretty(settings.json()));
    storage.replace(path("metrics.jsonl"), "");
  }

  /** Adds a line to the metrics. */
  public void addMetrics(Map<String, Object> values) throws IOException {
    metrics.add(JSON.writeValueAsString(values));
    storage.replace(path("metrics.jsonl"), String.join("\n", metrics) + "\n");
  }

  public void save(String name, Checkpoint checkpoint) throws IOException {
    storage.replace(path(name), checkpoint::write);
  }

  private static String pretty(String json) throws JsonProcessingException {
    return JSON.writerWithDefaultPrettyPrinter().writeValueAsString(JSON.readTree(json)) + "\n";
  }
}
