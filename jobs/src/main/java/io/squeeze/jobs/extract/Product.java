package io.squeeze.jobs.extract;

import io.squeeze.backbone.Grid;
import io.squeeze.config.ExtractSettings.Pool;
import io.squeeze.image.SquareCrop;
import io.squeeze.jobs.model.TrainedQuantizer;
import io.squeeze.jobs.model.TrainedSegmenter;
import io.squeeze.jobs.publish.DataFile;
import io.squeeze.jobs.publish.Manifest;
import io.squeeze.jobs.publish.Versions;
import io.squeeze.jobs.storage.HadoopStorage;
import io.squeeze.train.Checkpoint;
import io.squeeze.weights.ElementType;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import org.apache.spark.broadcast.Broadcast;

/** What extraction publishes of photos: embeddings, codes, or masks. */
sealed interface Product {

  /** The kind of the data set, as its manifest says. */
  String table();

  /** The data set. */
  String path();

  /** The option that names it, for messages. */
  String option();

  /** What it is called in a report. */
  String said();

  /** The checkpoint that the tasks need; null for none. */
  Checkpoint checkpoint();

  /** Settings that the rows depend on, besides photos and backbone. */
  Map<String, String> settings();

  /** Refuses the features of a backbone that do not fit. */
  void check(String what, String backbone);

  /** Folder of the rows below that of the version; empty for the version's own. */
  String folder();

  /** Bytes of a row, about. */
  long rowBytes(Grid grid, int side);

  /** Writes what belongs to the rows. */
  List<DataFile> beside(HadoopStorage storage, String rows) throws IOException;

  /** What a task opens; {@code sent} is null where there is no checkpoint. */
  StoredForm.Opening form(ElementType type, Broadcast<Checkpoint> sent);

  /**
   * Features as they are.
   *
   * @param pool what is stored beside the grid
   * @param pooledOnly whether it is stored instead of the grid
   */
  record Embeddings(String path, ElementType type, Pool pool, boolean pooledOnly)
      implements Product {
    @Override
    public String table() {
      return pooledOnly ? Manifest.POOLED : Manifest.EMBEDDINGS;
    }

    @Override
    public String option() {
      return "--embeddings";
    }

    @Override
    public String said() {
      String stored = type == ElementType.F16 ? "in float16" : "in float32";
      return switch (pool) {
        case NONE -> stored;
        case MEAN -> pooledOnly ? "as their means" : stored + " with their means";
        case CLS -> pooledOnly ? "as class tokens" : stored + " with class tokens";
      };
    }

    @Override
    public Checkpoint checkpoint() {
      return null;
    }

    @Override
    public Map<String, String> settings() {
      return pool == Pool.NONE ? Map.of() : Map.of(Manifest.POOL, pool.text());
    }

    @Override
    public void check(String what, String backbone) {}

    @Override
    public String folder() {
      return "";
    }

    @Override
    public long rowBytes(Grid grid, int side) {
      long vector = pool == Pool.NONE ? 0 : 4L * grid.channels();
      return vector + (pooledOnly ? 300 : (long) type.bytes() * grid.values() + (long) side * side);
    }

    @Override
    public List<DataFile> beside(HadoopStorage storage, String rows) {
      return List.of();
    }

    @Override
    public StoredForm.Opening form(ElementType stored, Broadcast<Checkpoint> sent) {
      Pool pooling = pool;
      boolean only = pooledOnly;
      return () -> StoredForm.embeddings(stored, pooling, only);
    }
  }

  /** The codes that a checkpoint's quantizer gives them. */
  record Codes(TrainedQuantizer quantizer) implements Product {
    @Override
    public String table() {
      return Manifest.CODES;
    }

    @Override
    public String path() {
      return quantizer.codes();
    }

    @Override
    public String option() {
      return "--codes";
    }

    @Override
    public String said() {
      return "as codes";
    }

    @Override
    public Checkpoint checkpoint() {
      return quantizer.checkpoint();
    }

    @Override
    public Map<String, String> settings() {
      return quantizer.settings();
    }

    @Override
    public void check(String what, String backbone) {
      quantizer.check(what, backbone);
    }

    @Override
    public String folder() {
      return Versions.CODES + "/";
    }

    /** Two bytes a code at most, and text. */
    @Override
    public long rowBytes(Grid grid, int side) {
      return 300 + 2L * grid.positions() * quantizer.codebookSizes().length;
    }

    @Override
    public List<DataFile> beside(HadoopStorage storage, String rows) throws IOException {
      return quantizer.decoder(storage, rows);
    }

    @Override
    public StoredForm.Opening form(ElementType stored, Broadcast<Checkpoint> sent) {
      return () -> StoredForm.codes(stored, sent.value());
    }
  }

  /**
   * The masks that its head gives them.
   *
   * @param crop that makes the square which the backbone sees
   */
  record Masks(TrainedSegmenter segmenter, SquareCrop crop) implements Product {
    @Override
    public String table() {
      return Manifest.PREDICTIONS;
    }

    @Override
    public String path() {
      return segmenter.out();
    }

    @Override
    public String option() {
      return "--out";
    }

    @Override
    public String said() {
      return "as masks";
    }

    @Override
    public Checkpoint checkpoint() {
      return segmenter.checkpoint();
    }

    @Override
    public Map<String, String> settings() {
      return segmenter.settings();
    }

    @Override
    public void check(String what, String backbone) {
      segmenter.check(what, backbone);
    }

    @Override
    public String folder() {
      return "";
    }

    /** A mask is flat areas, which Parquet compresses to less than a tenth. */
    @Override
    public long rowBytes(Grid grid, int side) {
      return 300 + (segmenter.original() ? 1_000_000 : (long) side * side) / 10;
    }

    @Override
    public List<DataFile> beside(HadoopStorage storage, String rows) {
      return List.of();
    }

    @Override
    public StoredForm.Opening form(ElementType stored, Broadcast<Checkpoint> sent) {
      SquareCrop undone = segmenter.original() ? crop : null;
      return () -> StoredForm.masks(stored, sent.value(), undone);
    }
  }
}
