package io.squeeze.track;

import java.io.IOException;

/**
 * A place where people follow runs. Calls come from one thread, in the order of the run; each may
 * block, and may come again after it failed, so it must not count twice. {@link Tracking} keeps all
 * of that away from the training.
 */
public interface Tracker {
  /** What people call it. */
  String name();

  /**
   * Opens the run as one that goes on: a new one, or the one that an earlier process began.
   *
   * @throws Refusal if trying again cannot help
   * @throws IOException if it may
   */
  void start(RunInfo run) throws IOException, InterruptedException;

  /**
   * Opens a run that it knows, to add to it, and leaves its status; errors as for {@link #start}.
   */
  void attach(RunInfo run) throws IOException, InterruptedException;

  /** Takes what an epoch gave; errors as for {@link #start}. */
  void log(EpochReport step) throws IOException, InterruptedException;

  /** Keeps a file of the run; errors as for {@link #start}. */
  void keep(Artifact artifact) throws IOException, InterruptedException;

  /** Closes the run; errors as for {@link #start}. */
  void finish(Ending ending) throws IOException, InterruptedException;
}
