package io.squeeze.config;

import java.io.Serializable;
import java.net.URI;

/**
 * The trackers that a run reports to.
 *
 * @param credentials file with the credentials for ClearML; null: the usual file
 * @param mlflow address of a server; null for none
 * @param task name of the run in the trackers; null: the name of the experiment
 * @param pictures held-out samples that are drawn
 * @param pictureEvery number of epochs between two pictures; null: only after the last epoch
 * @param checkpoint whether the best checkpoint is uploaded
 */
public record TrackSettings(
    boolean tensorBoard,
    boolean clearMl,
    String credentials,
    String mlflow,
    String project,
    String task,
    int pictures,
    Integer pictureEvery,
    boolean checkpoint)
    implements Serializable {

  static TrackSettings from(Section section, Problems problems) {
    String mlflow = section.optionalText("mlflow");
    if (mlflow != null) {
      check(mlflow, problems);
    }
    return new TrackSettings(
        section.bool("tensorboard"),
        section.bool("clearml"),
        section.optionalText("clearml-credentials"),
        mlflow,
        section.text("project"),
        section.optionalText("task"),
        section.intIn("pictures", 0, 32),
        section.optionalIntIn("picture-every", 1, Integer.MAX_VALUE),
        section.bool("checkpoint"));
  }

  /** Without a word of an address that may hold a password. */
  private static void check(String address, Problems problems) {
    try {
      URI uri = URI.create(address);
      if (uri.getUserInfo() != null || address.contains("@")) {
        problems.add(
            "track.mlflow: holds a user or password: set MLFLOW_TRACKING_USERNAME and"
                + " MLFLOW_TRACKING_PASSWORD instead");
      } else if (!"http".equals(uri.getScheme()) && !"https".equals(uri.getScheme())) {
        problems.add("track.mlflow: " + address + " is no http:// or https:// address");
      }
    } catch (IllegalArgumentException e) {
      problems.add("track.mlflow: is no http:// or https:// address");
    }
  }
}
