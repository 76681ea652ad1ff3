package io.squeeze.jobs.sql;

import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.model.CodebookTables;
import io.squeeze.jobs.model.CodebookTables.Tables;
import io.squeeze.jobs.model.LoadedModel;
import io.squeeze.jobs.model.TrainedQuantizer;
import io.squeeze.jobs.publish.Columns;
import io.squeeze.jobs.publish.Versions;
import io.squeeze.jobs.publish.Versions.Published;
import io.squeeze.jobs.spark.Sessions;
import io.squeeze.jobs.storage.HadoopStorage;
import io.squeeze.train.Checkpoint;
import java.io.IOException;
import java.io.ObjectOutputStream;
import java.io.Serializable;
import java.io.UncheckedIOException;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Function;
import java.util.function.Supplier;
import org.apache.spark.TaskContext;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;

/**
 * A model that a query names by path: a data set of codes, or a checkpoint. Analysing a query opens
 * the files alone. libtorch is loaded, and the model sent to the executors, when the first task is:
 * once for an application.
 */
public final class QueryModel implements Serializable {
  private static final long serialVersionUID = 1L;

  /** Bytes of tables that are kept for queries to come. */
  private static final long REMEMBERED = 64L << 20;

  private static final Map<String, Broadcast<?>> SENT = new ConcurrentHashMap<>();

  private final String name;
  private transient Opened opened;
  private Broadcast<CodebookTables> tables;
  private Broadcast<Checkpoint> checkpoint;
  private transient Map<Integer, Asked> asked;
  private transient volatile Asked last;

  /** What a model is for. */
  private enum Purpose {
    UNPACKING,
    DECODING,
    SEARCHING
  }

  /**
   * The files of a model, on the driver.
   *
   * @param codes null for a checkpoint
   */
  private record Opened(
      SparkSession spark,
      String name,
      TrainedQuantizer quantizer,
      Published codes,
      Purpose purpose) {

    Broadcast<Checkpoint> sentCheckpoint() {
      return sent(
          "checkpoint " + quantizer.sha256(), () -> quantizer.checkpoint().withoutHead().forUse());
    }

    Broadcast<CodebookTables> sentTables() {
      String files = codes == null ? "" : codes.manifest().files().toString();
      return sent(
          purpose + " " + name + " " + quantizer.sha256() + files,
          () ->
              new CodebookTables(
                  name,
                  quantizer.codebookSizes(),
                  vectors(),
                  codes == null ? null : codes.manifest().coding()));
    }

    private float[][] vectors() {
      return switch (purpose) {
        case UNPACKING -> null;
        case DECODING -> codes == null ? computed(false) : published();
        case SEARCHING -> computed(true);
      };
    }

    private float[][] computed(boolean search) {
      try (LoadedModel loaded = LoadedModel.of(quantizer.checkpoint())) {
        float[][] vectors = new float[quantizer.codebookSizes().length][];
        for (int l = 0; l < vectors.length; l++) {
          vectors[l] =
              TrainedQuantizer.contributions(
                  loaded,
                  l,
                  search ? loaded.quantizer()::codewordsInSearchSpace : loaded.quantizer()::decode);
        }
        return vectors;
      }
    }

    private float[][] published() {
      int channels = codes.manifest().channels();
      int[] sizes = quantizer.codebookSizes();
      float[][] vectors = new float[sizes.length][];
      for (int l = 0; l < vectors.length; l++) {
        vectors[l] = new float[sizes[l] * channels];
      }
      for (Row row : codes.codebook(spark).collectAsList()) {
        int at = row.<Integer>getAs(Columns.CODE) * channels;
        List<Float> values = row.getList(row.fieldIndex(Columns.VECTOR));
        for (int j = 0; j < channels; j++) {
          vectors[row.<Integer>getAs(Columns.LEVEL)][at + j] = values.get(j);
        }
      }
      return vectors;
    }

    @SuppressWarnings("unchecked") // a key always has one type
    private <T> Broadcast<T> sent(String what, Supplier<T> value) {
      String application = spark.sparkContext().applicationId() + " ";
      SENT.keySet().removeIf(known -> !known.startsWith(application));
      return (Broadcast<T>)
          SENT.computeIfAbsent(
              application + what,
              absent ->
                  JavaSparkContext.fromSparkContext(spark.sparkContext()).broadcast(value.get()));
    }
  }

  private QueryModel(Opened opened) {
    this.name = opened.name();
    this.opened = opened;
  }

  /** The model that unpacks codes. */
  static QueryModel unpacking(String path) {
    return at(path, Purpose.UNPACKING);
  }

  /** The model that decodes codes to features: by the table published with them, if any. */
  static QueryModel decoding(String path) {
    return at(path, Purpose.DECODING);
  }

  /** The model that compares codes with vectors, and encodes vectors: in the search space. */
  static QueryModel searching(String path) {
    QueryModel model = at(path, Purpose.SEARCHING);
    Checkpoint opened = model.opened.quantizer().checkpoint();
    if (opened.settings().train().adapterParameters() != null) {
      throw SqueezeException.configuration(
          model.name
              + " has an adapter (--add_adapter), which is for grids, not for single vectors");
    }
    return model;
  }

  private static QueryModel at(String path, Purpose purpose) {
    SparkSession spark = SparkSession.active();
    HadoopStorage storage = Sessions.storage(spark);
    try {
      if (path.endsWith(".ckpt")) {
        TrainedQuantizer quantizer = TrainedQuantizer.open(storage, "", path, null);
        return new QueryModel(new Opened(spark, path, quantizer, null, purpose));
      }
      Published codes = Versions.codes(storage, path, "the model of a function");
      TrainedQuantizer quantizer = TrainedQuantizer.beside(storage, codes);
      return new QueryModel(new Opened(spark, codes.path(), quantizer, codes, purpose));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Tasks take the model with them: it is sent before the first of them is. */
  private void writeObject(ObjectOutputStream out) throws IOException {
    send();
    out.defaultWriteObject();
  }

  private synchronized void send() {
    if (tables == null) {
      checkpoint = opened.sentCheckpoint();
      tables = opened.sentTables();
    }
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
    return asked(codes, () -> tables().decode(codes));
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
    return name;
  }
}
