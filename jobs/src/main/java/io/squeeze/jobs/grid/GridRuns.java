package io.squeeze.jobs.grid;

import io.squeeze.config.Settings;
import io.squeeze.jobs.grid.GridPlan.Run;
import io.squeeze.jobs.spark.SqueezeSession;
import java.io.IOException;
import java.util.Collection;

/** What the runs of a grid do. */
public interface GridRuns extends AutoCloseable {
  /** What they are measured by. */
  Measured measured();

  /** What they are measured on, for messages. */
  String rankedBy();

  /** The settings of one of them, from those of the grid. */
  Settings settings(Settings grid);

  /** Before the first of them: does what would be done by each, and checks what all need. */
  void prepare(Collection<Settings> runs) throws IOException;

  /** Trains or finds what a run left, and measures it. */
  Outcome done(SqueezeSession session, Run run, Settings settings) throws IOException;

  @Override
  void close();
}
