package io.squeeze.jobs.photo;

import ai.djl.engine.EngineException;
import io.squeeze.config.SqueezeException;
import io.squeeze.torch.Torch;
import java.io.IOException;
import java.util.List;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Runs batches in parts that fit into memory: a part that does not is halved, and so are later
 * ones.
 */
public final class Fitting {
  private static final Logger LOG = LoggerFactory.getLogger(Fitting.class);
  private int limit;

  /** Begins with parts of this many elements. */
  public Fitting(int limit) {
    this.limit = limit;
  }

  /** What is done with a part of a batch. */
  public interface Action<T> {
    void run(List<T> part) throws IOException;
  }

  /**
   * Runs a batch.
   *
   * @throws SqueezeException of category resource if a single element does not fit
   */
  public <T> void run(List<T> batch, Action<T> action) throws IOException {
    int done = 0;
    while (done < batch.size()) {
      List<T> part = batch.subList(done, Math.min(batch.size(), done + limit));
      try {
        action.run(part);
        done += part.size();
      } catch (EngineException e) {
        if (!Torch.outOfMemory(e)) {
          throw e;
        }
        if (part.size() == 1) {
          throw SqueezeException.resource(
              "A single image does not fit into the device's memory: "
                  + String.valueOf(e.getMessage()).lines().findFirst().orElse(""),
              e);
        }
        limit = (part.size() + 1) / 2;
        LOG.warn("A batch of {} does not fit into memory: going on with {}", part.size(), limit);
      }
    }
  }
}
