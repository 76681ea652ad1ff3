package io.squeeze.jobs.train;

import io.squeeze.config.DataSettings;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Supplier;

/** The shards that one or several trainings read. Equal shards are read only once. */
public final class ShardPool implements AutoCloseable {
  private final Map<Key, Shards> shards = new ConcurrentHashMap<>();

  /**
   * Everything that shards depend on.
   *
   * @param embeddings path of the version
   * @param cut train or val
   * @param parts number of shards that the settings ask for; null: the size of the data and the
   *     next two parameters decide
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
