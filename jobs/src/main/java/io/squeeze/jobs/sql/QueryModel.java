package io.squeeze.jobs.sql;

import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.fit.VectorFit;
import io.squeeze.jobs.model.CodebookTables;
import io.squeeze.jobs.model.CodebookTables.Tables;
import io.squeeze.jobs.model.LoadedModel;
import io.squeeze.jobs.model.TrainedQuantizer;
import io.squeeze.jobs.publish.Versions;
import io.squeeze.jobs.publish.Versions.Published;
import io.squeeze.jobs.spark.Sessions;
import io.squeeze.jobs.storage.HadoopStorage;
import io.squeeze.storage.Storage;
import io.squeeze.train.Checkpoint;
import java.io.IOException;
import java.io.ObjectOutputStream;
import java.io.Serializable;
import java.io.UncheckedIOException;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.function.Function;
import java.util.function.Supplier;
import org.apache.spark.TaskContext;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.sql.SparkSession;

/**
 * A model that a query names by path: a data set of codes, or a checkpoint. Analysing a query only
 * opens the files. When the first task is sent, libtorch is loaded and the model is sent to the
 * executors, once per application.
 */
public final class QueryModel implements Serializable {
  private static final long serialVersionUID = 1L;

  /** Bytes of tables that are kept for queries to come. */
  private static final long REMEMBERED = 64L << 20;

  private final String name;
  private final int channels;
  private final boolean comparesDecoded;
  private final int first;
  private transient OpenedModel opened;
  private volatile Broadcast<CodebookTables> tables;
  private Broadcast<Checkpoint> checkpoint;
  private transient Map<Integer, Asked> asked;
  private transient volatile Asked last;

  /** Of whose codes all levels count. */
  private QueryModel(OpenedModel opened) {
    this(opened, Integer.MAX_VALUE);
  }

  private QueryModel(OpenedModel opened, int first) {
    this.first = first;
    this.name = opened.name();
    this.channels = opened.quantizer().checkpoint().layout().channels();
    this.comparesDecoded = opened.purpose() == OpenedModel.Purpose.DECODING;
    this.opened = opened;
  }

  /** The model that unpacks codes. */
  static QueryModel unpacking(String path) {
    return at(path, OpenedModel.Purpose.UNPACKING);
  }

  /** The model that decodes codes to features: by the table published with them, if any. */
  static QueryModel decoding(String path) {
    return at(path, OpenedModel.Purpose.DECODING);
  }

  /** The same model, of whose codes only the first levels count. */
  QueryModel prefix(int levels) {
    int all = opened.quantizer().codebookSizes().length;
    if (levels < 1 || levels > all) {
      throw SqueezeException.usage(
          "%s has %d levels: the first %d of them cannot be read".formatted(name, all, levels));
    }
    return new QueryModel(opened, levels);
  }

  /** Whether all levels count. */
  boolean comparesAllLevels() {
    return first == Integer.MAX_VALUE;
  }

  /** How many levels count. */
  int levels() {
    return first;
  }

  /** The model that encodes vectors. */
  static QueryModel encoding(String path) {
    return ofVectors(at(path, OpenedModel.Purpose.SEARCHING));
  }

  /**
   * The model that compares codes with vectors. What a fit to vectors decodes is close to them, so
   * it compares the decoded vectors. A training with a head has no reason to decode to the
   * features: it compares in the space where the quantizer searches.
   */
  static QueryModel comparing(String path) {
    QueryModel model = ofVectors(at(path, OpenedModel.Purpose.SEARCHING));
    boolean fitted = model.opened.quantizer().checkpoint().backbone().equals(VectorFit.NO_BACKBONE);
    return fitted ? new QueryModel(model.opened.decoding()) : model;
  }

  private static QueryModel ofVectors(QueryModel model) {
    Checkpoint opened = model.opened.quantizer().checkpoint();
    if (opened.settings().train().adapterParameters() != null) {
      throw SqueezeException.configuration(
          model.name
              + " has an adapter (--add_adapter), which is for grids, not for single vectors");
    }
    return model;
  }

  private static QueryModel at(String path, OpenedModel.Purpose purpose) {
    SparkSession spark = SparkSession.active();
    HadoopStorage storage = Sessions.storage(spark);
    try {
      String saved = Storage.join(path, TrainedQuantizer.OF_SPARK_ML);
      String checkpoint = path.endsWith(".ckpt") ? path : storage.exists(saved) ? saved : null;
      if (checkpoint != null) {
        TrainedQuantizer quantizer = TrainedQuantizer.open(storage, "", checkpoint, null);
        return new QueryModel(new OpenedModel(spark, path, quantizer, null, purpose));
      }
      Published codes = Versions.codes(storage, path, "the model of a function");
      TrainedQuantizer quantizer = TrainedQuantizer.beside(storage, codes);
      return new QueryModel(new OpenedModel(spark, codes.path(), quantizer, codes, purpose));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Tasks take the model with them: it is sent before the first of them is. */
  private void writeObject(ObjectOutputStream out) throws IOException {
    send();
    out.defaultWriteObject();
  }

  /** On the driver; what a task took with it was sent before. */
  private void send() {
    if (tables == null) {
      sendOnce();
    }
  }

  private synchronized void sendOnce() {
    if (tables == null) {
      checkpoint = opened.sentCheckpoint();
      tables = opened.sentTables();
    }
  }

  /** The version of codes that the model lies beside; null for a checkpoint. */
  String codes() {
    return opened.codes() == null ? null : opened.codes().path();
  }

  /** Values of a vector. */
  int channels() {
    return channels;
  }

  /** Whether distances are to the decoded vectors; otherwise they are where codes are searched. */
  boolean comparesDecoded() {
    return comparesDecoded;
  }

  /** What codes stand for. */
  CodebookTables tables() {
    send();
    return tables.value();
  }

  /** Does something with the model's tensors, which a task loads once. */
  <T> T with(Function<LoadedModel, T> action) {
    send();
    if (TaskContext.get() == null) {
      try (LoadedModel loaded = LoadedModel.of(checkpoint.value())) {
        return action.apply(loaded);
      }
    }
    return action.apply(LoadedModel.inTask(checkpoint.value()));
  }

  private record Asked(Object query, Tables[] tables) {}

  /** The distance tables of vectors, [m * d]; the last queries' are kept. */
  Tables[] ofVectors(float[] vectors, Function<float[], float[]> toSearchSpace) {
    return asked(vectors, () -> toSearchSpace.apply(vectors));
  }

  /** The distance tables of the vectors that codes stand for. */
  Tables[] ofCodes(int[] codes) {
    return asked(codes, () -> tables().decode(codes, first));
  }

  private Tables[] asked(Object query, Supplier<float[]> located) {
    Asked before = last;
    // A constant is the same array in every row.
    if (before == null || before.query() != query) {
      before = remembered(query, located);
      last = before;
    }
    return before.tables();
  }

  private synchronized Asked remembered(Object query, Supplier<float[]> located) {
    if (asked == null) {
      asked = new Memory(tables().tableBytes());
    }
    int key = Arrays.deepHashCode(new Object[] {query});
    Asked known = asked.get(key);
    if (known == null || !Objects.deepEquals(known.query(), query)) {
      known = new Asked(query, tables().tables(located.get()));
      asked.put(key, known);
    }
    return known;
  }

  /** The queries that were asked last, as many as fit. */
  private static final class Memory extends LinkedHashMap<Integer, Asked> {
    private static final long serialVersionUID = 1L;
    private final long bytesOfVector;

    Memory(long bytesOfVector) {
      super(16, 0.75f, true);
      this.bytesOfVector = bytesOfVector;
    }

    @Override
    protected boolean removeEldestEntry(Map.Entry<Integer, Asked> eldest) {
      int vectors = eldest.getValue().tables().length;
      return size() > 1 && bytesOfVector * vectors * size() > REMEMBERED;
    }
  }

  @Override
  public String toString() {
    // An expression's text tells it from others.
    return first == Integer.MAX_VALUE ? name : name + ", " + first + " levels";
  }
}
