package io.squeeze.jobs.run;

import io.squeeze.config.Settings;
import io.squeeze.config.TrackSettings;
import io.squeeze.jobs.storage.HadoopStorage;
import io.squeeze.storage.Storage;
import io.squeeze.track.ClearMl;
import io.squeeze.track.ClearMlCredentials;
import io.squeeze.track.Mlflow;
import io.squeeze.track.RunInfo;
import io.squeeze.track.Tracker;
import io.squeeze.track.UserMessages;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;

/** The servers that settings name, and what they are told of a run. */
public final class Trackers {
  private Trackers() {}

  /** One for each server; a list that may be added to. */
  public static List<Tracker> of(HadoopStorage storage, TrackSettings track, UserMessages voice) {
    List<Tracker> trackers = new ArrayList<>();
    if (track.mlflow() != null) {
      trackers.add(new Mlflow(track.mlflow(), System.getenv(), voice));
    }
    if (track.clearMl()) {
      clearMl(storage, track, voice).ifPresent(trackers::add);
    }
    return trackers;
  }

  private static Optional<Tracker> clearMl(
      HadoopStorage storage, TrackSettings track, UserMessages voice) {
    String home = Objects.requireNonNullElse(System.getenv("SQUEEZE_HOME"), ".");
    String path =
        Objects.requireNonNullElse(
            track.credentials(), Storage.join(home, "conf/clearml_credentials.yaml"));
    String reason;
    try {
      String yaml = yaml(storage, path);
      try {
        return Optional.of(new ClearMl(ClearMlCredentials.of(yaml, System.getenv()), voice));
      } catch (IllegalArgumentException e) {
        reason = e.getMessage() + " in " + path + (yaml == null ? ", which does not exist" : "");
      }
    } catch (IOException | RuntimeException e) {
      reason = "cannot read " + path + " (" + e.getMessage() + ")";
    }
    voice.warn(
        "ClearML: "
            + reason
            + "; correct the file, or set CLEARML_API_ACCESS_KEY and CLEARML_API_SECRET_KEY:"
            + " the run goes on without ClearML");
    return Optional.empty();
  }

  /** Of this machine where the path names no other file system; null where there is none. */
  private static String yaml(HadoopStorage storage, String path) throws IOException {
    if (path.contains(":/")) {
      return storage.exists(path) ? storage.text(path) : null;
    }
    return Files.exists(Path.of(path)) ? Storage.local().text(path) : null;
  }

  /**
   * What they are told before anything else.
   *
   * @param settings of the run
   * @param name of the run, where {@code track} has none
   * @param epoch that is done; 0 of a new run
   */
  public static RunInfo run(
      Settings settings, TrackSettings track, String name, int epoch, RunFolder folder) {
    Map<String, String> parameters = settings.flat();
    parameters.keySet().removeIf(key -> key.startsWith("track.") || key.startsWith("visualize."));
    String task = Objects.requireNonNullElse(track.task(), name);
    return new RunInfo(track.project(), task, parameters, epoch, folder.ids());
  }
}
