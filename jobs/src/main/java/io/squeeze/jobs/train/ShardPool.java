package io.squeeze.jobs.train;

import io.squeeze.config.DataSettings;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Supplier;

/** The shards that one training or several read: those that are alike are read once. */
public final class ShardPool implements AutoCloseable {
  private final Map<Key, Shards> shards = new ConcurrentHashMap<>();

  /**
   * What shards follow from.
   *
   * @param embeddings path of the version
   * @param cut train or val
   * @param parts as asked for; null: by the data's size, and the two that follow
   */
  record Key(
      String embeddings,
      DataSettings data,
      String cut,
      Integer parts,
      int shardRows,
      long shardBytes) {}

  /** The shards of a key; made once. */
  Shards get(Key key, Supplier<Shards> make) {
    return shards.computeIfAbsent(key, k -> make.get());
  }

  @Override
  public void close() {
    shards.values().forEach(Shards::unpersist);
    shards.clear();
  }
}
