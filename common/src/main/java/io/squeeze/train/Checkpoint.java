package io.squeeze.train;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.squeeze.config.Settings;
import io.squeeze.config.SqueezeException;
import io.squeeze.segment.SqueezeModel;
import io.squeeze.storage.Storage;
import io.squeeze.weights.HostTensor;
import io.squeeze.weights.Safetensors;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.Serializable;
import java.nio.file.NoSuchFileException;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A state with all that is needed to use it again, as a safetensors file: nothing is guessed from a
 * file's name.
 *
 * @param config how the run was set
 * @param classNames of the head's outputs, in order
 * @param palette their colours, 0xRRGGBB
 * @param backbone SHA-256 of the backbone that made the embeddings
 * @param epoch epochs done
 * @param progress of the run at that epoch
 */
public record Checkpoint(
    ModelState state,
    Config config,
    Batch.Layout layout,
    List<String> classNames,
    List<Integer> palette,
    String backbone,
    int epoch,
    Progress progress)
    implements Serializable {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final int FORMAT = 2;
  private static final String CHECKSUM = "crc32c";

  /**
   * How far a run has come.
   *
   * @param best value of {@code train.monitor}
   * @param bestEpoch the epoch that reached it, counted from 1; 0 before the first
   * @param finished whether no epoch is left to do
   */
  public record Progress(double best, int bestEpoch, boolean finished) implements Serializable {}

  /**
   * How a run was set.
   *
   * @param json {@link Settings#trainingJson()}: no path, so that a run's bytes do not depend on
   *     where it ran
   * @param settings what it says, parsed once
   */
  public record Config(String json, Settings settings) implements Serializable {

    /** Parses the JSON of a file's header. */
    static Config of(String json, String what) {
      return new Config(json, Settings.parse(json, what));
    }

    /** What these settings say of training. */
    public static Config of(Settings settings) {
      return of(settings.trainingJson(), "settings");
    }
  }

  /** The settings of the run. */
  public Settings settings() {
    return config.settings();
  }

  /** The model that the state belongs to. */
  public SqueezeModel model() {
    return new SqueezeModel(settings(), layout.channels(), classNames.size());
  }

  /** Bytes of the tensors that turn codes into features. */
  public long decoderBytes() {
    return model().quantizer().decoder().stream()
        .mapToLong(name -> state.tensors().get(name).bytes().length)
        .sum();
  }

  /** The same run after an epoch. */
  public Checkpoint after(ModelState next, int done, Progress now) {
    return new Checkpoint(next, config, layout, classNames, palette, backbone, done, now);
  }

  /** The same without the optimizer's tensors: what using the model takes. */
  public Checkpoint forUse() {
    ModelState model = new ModelState(state.model());
    return new Checkpoint(model, config, layout, classNames, palette, backbone, epoch, progress);
  }

  /** The quantizer without the head, with an optimizer that has not stepped: to keep with codes. */
  public Checkpoint withoutHead() {
    Settings changed = settings().with("train.head", "none");
    SqueezeModel model = new SqueezeModel(changed, layout.channels(), classNames.size());
    Map<String, HostTensor> tensors = new LinkedHashMap<>();
    model.initial(0).keySet().forEach(name -> tensors.put(name, state.tensors().get(name)));
    ModelState alone = ModelState.start(model, changed.train().optimizer(), tensors);
    return new Checkpoint(
        alone, Config.of(changed), layout, classNames, palette, backbone, epoch, progress);
  }

  /**
   * The same with another width of the beam that encodes.
   *
   * @param beam null to leave it
   */
  public Checkpoint withBeam(String beam) {
    if (beam == null) {
      return this;
    }
    Config changed = Config.of(settings().with("quantizer.beam", beam));
    return new Checkpoint(state, changed, layout, classNames, palette, backbone, epoch, progress);
  }

  /** Writes the file; equal checkpoints give equal bytes. */
  public void write(OutputStream out) throws IOException {
    Map<String, String> metadata = new LinkedHashMap<>();
    metadata.put("format", Integer.toString(FORMAT));
    metadata.put("config", config.json());
    metadata.put("class_names", JSON.writeValueAsString(classNames));
    metadata.put("palette", JSON.writeValueAsString(palette));
    metadata.put(
        "layout",
        JSON.writeValueAsString(
            List.of(layout.channels(), layout.height(), layout.width(), layout.size())));
    metadata.put("backbone_sha256", backbone);
    metadata.put("epoch", Integer.toString(epoch));
    metadata.put("best", Double.toString(progress.best()));
    metadata.put("best_epoch", Integer.toString(progress.bestEpoch()));
    metadata.put("finished", Boolean.toString(progress.finished()));
    metadata.put(CHECKSUM, new Safetensors(state.tensors(), metadata).checksum());
    new Safetensors(state.tensors(), metadata).write(out);
  }

  /**
   * Reads a file and checks that it holds exactly its model's tensors.
   *
   * @throws SqueezeException of category input if it does not
   */
  public static Checkpoint read(Storage storage, String path) {
    Safetensors file;
    try (InputStream in = storage.open(path)) {
      file = Safetensors.read(in, path, storage.length(path));
    } catch (FileNotFoundException | NoSuchFileException e) {
      throw SqueezeException.input("No checkpoint at " + path, e);
    } catch (IOException e) {
      throw SqueezeException.resource(
          "Cannot read the checkpoint " + path + ": " + e.getMessage(), e);
    }
    Map<String, String> metadata = new LinkedHashMap<>(file.metadata());
    if (!Integer.toString(FORMAT).equals(metadata.get("format"))) {
      throw SqueezeException.input(
          ("%s is no checkpoint of embeddings-squeeze of format %s: its header says " + "format %s")
              .formatted(path, FORMAT, metadata.get("format")));
    }
    String expected = metadata.remove(CHECKSUM);
    String found = new Safetensors(file.tensors(), metadata).checksum();
    if (!found.equals(expected)) {
      throw SqueezeException.input(
          "The checkpoint %s is damaged: its checksum is %s, its header says %s"
              .formatted(path, found, expected));
    }
    Checkpoint checkpoint = parse(path, file);
    checkpoint.checkTensors(path);
    return checkpoint;
  }

  private static Checkpoint parse(String path, Safetensors file) {
    Map<String, String> metadata = file.metadata();
    try {
      int[] sizes = JSON.readValue(metadata.get("layout"), int[].class);
      return new Checkpoint(
          new ModelState(file.tensors()),
          Config.of(metadata.get("config"), "the settings of the checkpoint " + path),
          new Batch.Layout(sizes[0], sizes[1], sizes[2], sizes[3]),
          List.of(JSON.readValue(metadata.get("class_names"), String[].class)),
          List.of(JSON.readValue(metadata.get("palette"), Integer[].class)),
          metadata.get("backbone_sha256"),
          Integer.parseInt(metadata.get("epoch")),
          new Progress(
              Double.parseDouble(metadata.get("best")),
              Integer.parseInt(metadata.get("best_epoch")),
              Boolean.parseBoolean(metadata.get("finished"))));
    } catch (SqueezeException e) {
      throw e; // settings that this program does not have
    } catch (JsonProcessingException | RuntimeException e) {
      throw SqueezeException.input("Invalid header of the checkpoint " + path, e);
    }
  }

  private void checkTensors(String path) {
    SqueezeModel model = model();
    Map<String, HostTensor> expected =
        ModelState.start(model, settings().train().optimizer(), model.initial(settings().seed()))
            .tensors();
    for (Map.Entry<String, HostTensor> entry : expected.entrySet()) {
      HostTensor found = state.tensors().get(entry.getKey());
      long[] shape = entry.getValue().shape();
      if (found == null || !Arrays.equals(found.shape(), shape)) {
        throw SqueezeException.input(
            "The checkpoint %s does not fit its settings: %s should be %s, found %s"
                .formatted(
                    path,
                    entry.getKey(),
                    Arrays.toString(shape),
                    found == null ? "nothing" : Arrays.toString(found.shape())));
      }
    }
    for (String name : state.tensors().keySet()) {
      if (!expected.containsKey(name)) {
        throw SqueezeException.input(
            "The checkpoint " + path + " holds an unknown tensor: " + name);
      }
    }
  }
}
