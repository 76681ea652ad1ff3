package io.squeeze.jobs.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.squeeze.backbone.BackboneFile;
import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.fit.VectorFit;
import io.squeeze.jobs.publish.Coding;
import io.squeeze.jobs.publish.Columns;
import io.squeeze.jobs.publish.DataFile;
import io.squeeze.jobs.publish.Manifest;
import io.squeeze.jobs.publish.ParquetFile;
import io.squeeze.jobs.publish.Versions;
import io.squeeze.jobs.publish.Versions.Published;
import io.squeeze.jobs.storage.HadoopStorage;
import io.squeeze.quantize.Quantizer;
import io.squeeze.storage.Storage;
import io.squeeze.torch.Parameters;
import io.squeeze.torch.Torch;
import io.squeeze.train.Checkpoint;
import java.io.IOException;
import java.io.InputStream;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.apache.parquet.example.data.Group;

/**
 * A checkpoint whose quantizer gives codes, and the data set that they are written to.
 *
 * @param codes the data set of codes; its versions lie below
 * @param path of the checkpoint
 */
public record TrainedQuantizer(String codes, String path, Checkpoint checkpoint, String sha256) {
  /** The checkpoint in the folder that a Spark ML model is saved to. */
  public static final String OF_SPARK_ML = "model.ckpt";

  /** The quantizer's file beside the codes. */
  public static final String QUANTIZER = "_quantizer.ckpt";

  /** The setting that names a checkpoint by its digest. */
  public static final String CHECKPOINT = "checkpoint.sha256";

  public static final String BEAM = "beam";

  /**
   * Opens the checkpoint.
   *
   * @param beam codes that rvq keeps open at a level; null: as it was trained
   * @throws SqueezeException of category input or configuration if it cannot give codes
   */
  public static TrainedQuantizer open(HadoopStorage storage, String codes, String path, String beam)
      throws IOException {
    Checkpoint checkpoint = Checkpoint.read(storage, path).forUse().withBeam(beam);
    if (checkpoint.model().quantizer().codebookSizes().length == 0) {
      throw SqueezeException.configuration(
          path + " quantizes nothing (none), so it has no codes: name one of another type");
    }
    if (checkpoint.model().quantizer().codebookSizes().length > 1
        && !checkpoint.model().quantizer().additive()) {
      throw SqueezeException.configuration(
          path
              + " has several codes a vector that do not add up (quantizer.codebooks of lfq), so no"
              + " table says what a code stands for: use its embeddings");
    }
    try (InputStream in = storage.open(path)) {
      return new TrainedQuantizer(codes, path, checkpoint, BackboneFile.digest(in));
    }
  }

  /**
   * The quantizer that was kept with published codes.
   *
   * @throws SqueezeException of category input if it is not the one of their manifest
   */
  public static TrainedQuantizer beside(HadoopStorage storage, Published codes) throws IOException {
    DataFile file =
        codes.manifest().files().stream()
            .filter(f -> f.path().equals(QUANTIZER))
            .findFirst()
            .orElseThrow(
                () ->
                    SqueezeException.input(
                        codes.path() + " holds no " + QUANTIZER + ": encode again"));
    TrainedQuantizer encoder =
        open(storage, codes.path(), Storage.join(codes.path(), QUANTIZER), null);
    if (!encoder.sha256().equals(file.sha256())) {
      throw SqueezeException.input(
          "%s is damaged: its SHA-256 is %s, the manifest says %s"
              .formatted(encoder.path(), encoder.sha256(), file.sha256()));
    }
    return encoder;
  }

  /**
   * Refuses a checkpoint that did not encode published codes.
   *
   * @param path of the checkpoint
   * @param sha256 of its file
   */
  public static void checkMaker(Published codes, String path, String sha256) {
    String made = codes.manifest().settings().get(CHECKPOINT);
    if (!sha256.equals(made)) {
      throw SqueezeException.input(
          "%s was encoded with a checkpoint of SHA-256 %s, but %s has %s (--checkpoint)"
              .formatted(codes.path(), made, path, sha256));
    }
  }

  /** The settings that codes depend on, besides their input, for a manifest. */
  public Map<String, String> settings() {
    String beam = Integer.toString(checkpoint.settings().quantizer().beam());
    return Map.of(CHECKPOINT, sha256, BEAM, beam);
  }

  /**
   * Refuses features of another backbone than the one that the quantizer was trained on.
   *
   * @param what the data that has these features, for the message
   * @param backbone digest of the backbone that made them
   */
  public void check(String what, String backbone) {
    TrainedModels.check(path, checkpoint, what, backbone);
  }

  /** How codes are stored where nobody asks: entropy coding is what makes those of scalar small. */
  public String usualCodec() {
    return VectorFit.isScalar(checkpoint.settings().quantizer()) ? Coding.ENTROPY : Coding.ARRAY;
  }

  /** Codes of each level. */
  public int[] codebookSizes() {
    return checkpoint.model().quantizer().codebookSizes();
  }

  /**
   * Writes what decodes beside the codes: the table of what each code stands for, and the
   * quantizer.
   */
  public List<DataFile> decoder(HadoopStorage storage, String target) throws IOException {
    return List.of(codebook(storage, target), quantizer(storage, target));
  }

  /** Bytes that {@link #decoder} wrote beside published codes. */
  public static long decoderBytes(Manifest codes) {
    return codes.files().stream()
        .filter(
            file ->
                file.path().equals(QUANTIZER) || file.path().startsWith(Versions.CODEBOOK + "/"))
        .mapToLong(DataFile::bytes)
        .sum();
  }

  /**
   * Bytes that {@link #decoder} would write; of the tensors alone where codes do not add up and
   * cannot be published.
   *
   * @param scratch a folder that does not exist
   */
  public static long decoderBytes(Checkpoint checkpoint, HadoopStorage storage, String scratch)
      throws IOException {
    Quantizer quantizer = checkpoint.model().quantizer();
    if (quantizer.codebookSizes().length > 1 && !quantizer.additive()) {
      return checkpoint.decoderBytes();
    }
    try {
      return new TrainedQuantizer("", "", checkpoint.forUse(), "")
          .decoder(storage, scratch).stream().mapToLong(DataFile::bytes).sum();
    } finally {
      storage.delete(scratch);
    }
  }

  private DataFile codebook(HadoopStorage storage, String target) throws IOException {
    String name = Versions.CODEBOOK + "/part-000000.parquet";
    storage.delete(Storage.join(target, name));
    ParquetFile file =
        new ParquetFile(
            storage, Storage.join(target, name), Columns.codebook().message("codebook"));
    try (LoadedModel loaded = LoadedModel.of(checkpoint)) {
      int channels = checkpoint.layout().channels();
      for (int level = 0; level < codebookSizes().length; level++) {
        write(file, level, contributions(loaded, level, loaded.quantizer()::decode), channels);
      }
    } finally {
      file.close();
    }
    return new DataFile(name, file.bytes(), file.rows(), file.sha256());
  }

  private DataFile quantizer(HadoopStorage storage, String target) throws IOException {
    String path = Storage.join(target, QUANTIZER);
    storage.replace(path, checkpoint.withoutHead()::write);
    try (InputStream in = storage.open(path)) {
      return new DataFile(QUANTIZER, storage.length(path), 0, BackboneFile.digest(in));
    }
  }

  /** Turns codes [N, levels] into vectors. */
  public interface Decoding {
    NDArray decode(NDArray codes, Parameters parameters);
  }

  /** What each code of a level adds to a vector, [K * d]; the first level brings the bias. */
  public static float[] contributions(LoadedModel loaded, int level, Decoding decoding) {
    int[] levels = loaded.quantizer().codebookSizes();
    int depth = levels.length;
    int size = levels[level];
    long[] codes = new long[size * depth];
    Arrays.setAll(codes, i -> i % depth == level ? i / depth : -1);
    try (NDManager scope = loaded.manager().newSubManager()) {
      NDArray alone =
          decoding.decode(scope.create(codes, new Shape(size, depth)), loaded.parameters());
      if (level == 0) {
        return Torch.tensor(alone).floats();
      }
      long[] none = new long[depth];
      Arrays.fill(none, -1);
      NDArray bias = decoding.decode(scope.create(none, new Shape(1, depth)), loaded.parameters());
      return Torch.tensor(alone.sub(bias)).floats();
    }
  }

  private static void write(ParquetFile file, int level, float[] vectors, int width)
      throws IOException {
    for (int code = 0; code * width < vectors.length; code++) {
      Group row = file.row();
      row.add(Columns.LEVEL, level);
      row.add(Columns.CODE, code);
      Group vector = row.addGroup(Columns.VECTOR);
      for (int j = 0; j < width; j++) {
        vector.addGroup("list").add("element", vectors[code * width + j]);
      }
      file.write(row);
    }
  }
}
