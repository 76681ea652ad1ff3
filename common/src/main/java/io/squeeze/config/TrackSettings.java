package io.squeeze.config;

import java.io.Serializable;
import java.net.URI;

/**
 * Where runs can be followed.
 *
 * @param credentials file of ClearML's; null for the usual place
 * @param mlflow address of a server; null for none
 * @param task name of the run there; null for the experiment's
 * @param pictures held-out samples that are drawn
 * @param pictureEvery epochs between two of them; null: after the last epoch alone
 * @param checkpoint whether the best one is uploaded
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
