package io.squeeze.jobs.run;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.squeeze.config.Json;
import io.squeeze.config.Settings;
import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.console.Reporter;
import io.squeeze.jobs.storage.FolderLock;
import io.squeeze.jobs.storage.HadoopStorage;
import io.squeeze.storage.Storage;
import io.squeeze.track.Artifact;
import io.squeeze.track.RunInfo;
import io.squeeze.track.TensorBoard;
import io.squeeze.train.Checkpoint;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The folder of one run: settings, checkpoints, metrics, evaluations. */
public final class RunFolder {
  public static final String LAST = "last.ckpt";
  public static final String BEST = "best.ckpt";
  private static final String EVALUATION = "evaluation";
  public static final String METRICS = "metrics.jsonl";

  /** How the files of a table are named behind its rows. */
  private static final String FILES = ", files ";

  public static final String CONFIG = "config.json";

  /** Folder of TensorBoard's event files. */
  private static final String TENSORBOARD = "tensorboard";

  /** What trackers call the run. */
  private static final String IDS = "tracking.json";

  /** Folder of the checkpoints before the last one. */
  private static final String PAST = "checkpoints";

  private static final Pattern EPOCH = Pattern.compile("epoch_([0-9]+)\\.ckpt");
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

  /** The folder of a split's evaluation. */
  public String evaluation(String split) {
    return path(EVALUATION + "/" + split);
  }

  /** The metrics of an epoch; empty where it is not recorded. */
  public Optional<JsonNode> metrics(int epoch) throws IOException {
    return epochs().stream().filter(e -> e.path("epoch").asInt() == epoch).findFirst();
  }

  /** The metrics of all epochs; none where they are not recorded. */
  public List<JsonNode> epochs() throws IOException {
    List<JsonNode> epochs = new ArrayList<>();
    for (String line : metricsLines()) {
      epochs.add(Json.tree(line, path(METRICS)));
    }
    return epochs;
  }

  /** The settings as the run left them, for people; empty where it did not. */
  public String configuration() throws IOException {
    return storage.exists(path(CONFIG)) ? storage.text(path(CONFIG)) : "";
  }

  /** Does something while no other run writes to this folder. */
  public <T> T locked(FolderLock.Action<T> action) throws IOException {
    return FolderLock.holding(storage, path, action);
  }

  /** The settings that a run was started with, if it left them. */
  public Optional<Settings> settings() throws IOException {
    return storage.exists(path(CONFIG))
        ? Optional.of(Settings.parse(storage.text(path(CONFIG)), path(CONFIG)))
        : Optional.empty();
  }

  /**
   * The newest complete checkpoint of an earlier run with these settings, if there is one. If a
   * checkpoint is damaged, the user gets a warning, and the one before it is used.
   *
   * @param source the embeddings that the run is trained on
   * @param backbone SHA-256 of the backbone that made them
   * @throws SqueezeException of category configuration if another run lies here, of category input
   *     if no checkpoint can be read and the run is not to begin again
   */
  public Optional<Checkpoint> left(
      Reporter reporter, Settings asked, String source, String backbone) throws IOException {
    boolean resume = asked.train().resume();
    Optional<Checkpoint> newest = newest(reporter, resume);
    if (newest.isEmpty()) {
      return newest;
    }
    // What was asked for then: a fit to a table chooses what the settings leave open.
    String began =
        settings().map(Settings::trainingJson).orElseGet(() -> newest.get().config().json());
    List<String> differences = new ArrayList<>(Settings.differences(began, asked.trainingJson()));
    String trained = settings().map(Settings::embeddings).orElse("unknown");
    if (!(trained.equals(source) || isOlder(reporter, trained, source))
        || !newest.get().backbone().equals(backbone)) {
      differences.add("embeddings: is " + trained + ", asked for " + source);
    }
    if (!differences.isEmpty()) {
      throw SqueezeException.configuration(
          "Another run lies in %s (%s); name another with --experiment_name"
              .formatted(path(""), String.join("; ", differences)));
    }
    return resume || newest.get().progress().finished() ? newest : Optional.empty();
  }

  /** Whether a run of 0.1.0 was of this table: it did not note the table's files. */
  private boolean isOlder(Reporter reporter, String trained, String source) {
    boolean older = !trained.contains(FILES) && source.startsWith(trained + FILES);
    if (older) {
      reporter.warn(
          path("") + " does not say which files its table had: it may have changed since");
    }
    return older;
  }

  private Optional<Checkpoint> newest(Reporter reporter, boolean needed) throws IOException {
    List<String> names = new ArrayList<>(past());
    if (storage.exists(path(LAST))) {
      names.add(LAST);
    }
    for (int i = names.size() - 1; i >= 0; i--) {
      try {
        return Optional.of(Checkpoint.read(storage, path(names.get(i))));
      } catch (SqueezeException e) {
        if (e.category() != SqueezeException.Category.INPUT) {
          throw e;
        }
        if (i == 0 && !needed) {
          break;
        }
        if (i == 0) {
          throw SqueezeException.input(
              e.getMessage() + "; no earlier one can be read: --restart begins again", e);
        }
        reporter.warn(e.getMessage() + ": taking " + names.get(i - 1));
      }
    }
    return Optional.empty();
  }

  /** The checkpoints before the last one, the oldest first. */
  private List<String> past() throws IOException {
    return storage.files(path(PAST)).keySet().stream()
        .filter(name -> EPOCH.matcher(name).matches())
        .sorted(Comparator.comparingInt(RunFolder::epoch))
        .map(name -> Storage.join(PAST, name))
        .toList();
  }

  private static int epoch(String name) {
    Matcher matcher = EPOCH.matcher(name.substring(name.lastIndexOf('/') + 1));
    return matcher.matches() ? Integer.parseInt(matcher.group(1)) : 0;
  }

  private static String past(int epoch) {
    return String.format(Locale.ROOT, "%s/epoch_%04d.ckpt", PAST, epoch);
  }

  /** Begins a run. It removes or replaces the files of an unfinished one. */
  public void begin(Settings settings) throws IOException {
    for (String name : List.of(PAST, EVALUATION, TENSORBOARD, IDS, BEST, LAST)) {
      storage.delete(path(name));
    }
    storage.replace(path(CONFIG), pretty(settings.json()));
    metrics.clear();
    storage.replace(path(METRICS), "");
  }

  /** Continues after a checkpoint. It removes everything that came after it. */
  public void resume(Checkpoint checkpoint) throws IOException {
    storage.delete(path(EVALUATION));
    for (String name : past()) {
      if (epoch(name) > checkpoint.epoch()) {
        storage.delete(path(name));
      }
    }
    for (String name : storage.files(path(TENSORBOARD)).keySet()) {
      if (TensorBoard.epoch(name) > checkpoint.epoch()) {
        storage.delete(path(TENSORBOARD + "/" + name));
      }
    }
    restore(checkpoint);
    metrics.clear();
    for (String line : metricsLines()) {
      if (Json.tree(line, path(METRICS)).path("epoch").asInt() <= checkpoint.epoch()) {
        metrics.add(line);
      }
    }
  }

  /** Whether the newest checkpoint is not the last one, which is damaged or missing. */
  public boolean misplaced(Checkpoint newest) throws IOException {
    return storage.exists(path(past(newest.epoch())));
  }

  /** Makes the newest checkpoint the last one. */
  public void restore(Checkpoint newest) throws IOException {
    if (misplaced(newest)) {
      storage.delete(path(LAST));
      storage.move(path(past(newest.epoch())), path(LAST));
    }
  }

  /** Where TensorBoard finds the run. */
  public TensorBoard.Folder events() {
    return (name, content) ->
        storage.replace(path(TENSORBOARD + "/" + name), out -> out.write(content));
  }

  /** What trackers call the run. */
  public RunInfo.Ids ids() {
    return new RunInfo.Ids() {
      @Override
      public String get(String tracker) throws IOException {
        return read().path(tracker).textValue();
      }

      @Override
      public synchronized void put(String tracker, String id) throws IOException {
        storage.replace(path(IDS), pretty(read().put(tracker, id).toString()));
      }

      private ObjectNode read() throws IOException {
        return storage.exists(path(IDS))
            ? Json.value(storage.text(path(IDS)), ObjectNode.class, path(IDS))
            : JSON.createObjectNode();
      }
    };
  }

  /** A file of the run, for trackers. */
  public Artifact artifact(String name) {
    return new Artifact(name, storage, path(name));
  }

  private List<String> metricsLines() throws IOException {
    return storage.exists(path(METRICS)) ? storage.text(path(METRICS)).lines().toList() : List.of();
  }

  /** Adds a line to the metrics. */
  public void addMetrics(Map<String, Object> values) throws IOException {
    metrics.add(JSON.writeValueAsString(values));
    storage.replace(path(METRICS), String.join("\n", metrics) + "\n");
  }

  /** Replaces the best checkpoint. */
  public void saveBest(Checkpoint checkpoint) throws IOException {
    storage.replace(path(BEST), checkpoint::write);
  }

  /** Replaces the last checkpoint; the ones before it move to a folder, {@code keep} of them. */
  public void saveLast(Checkpoint checkpoint, int keep) throws IOException {
    if (!storage.exists(path(LAST))) {
      storage.replace(path(LAST), checkpoint::write);
    } else {
      // At every moment the last complete checkpoint exists, as last.ckpt or under its epoch's
      // name.
      String next = path(past(checkpoint.epoch()));
      storage.replace(next, checkpoint::write);
      storage.move(path(LAST), path(past(checkpoint.epoch() - 1)));
      storage.move(next, path(LAST));
    }
    for (String name : past()) {
      if (epoch(name) < checkpoint.epoch() - keep) {
        storage.delete(path(name));
      }
    }
  }

  private static String pretty(String json) throws JsonProcessingException {
    return Json.pretty(JSON.readTree(json));
  }
}
