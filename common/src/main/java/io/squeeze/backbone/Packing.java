package io.squeeze.backbone;

import io.squeeze.config.Seeds;
import io.squeeze.config.SqueezeException;
import io.squeeze.storage.Storage;
import io.squeeze.torch.ScriptArchive;
import io.squeeze.weights.ElementType;
import io.squeeze.weights.HostTensor;
import io.squeeze.weights.LazyTensor;
import io.squeeze.weights.StateDict;
import io.squeeze.weights.TensorSource;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Packs an architecture and its weights into a TorchScript file. It does so only once: later calls
 * find the file in the cache, because its name is a digest of its sources.
 *
 * @param cache folder; it is created if it does not exist
 * @param allowNonFinite whether weights may be NaN or infinite
 */
public record Packing(
    Architecture architecture, Precision precision, Path cache, boolean allowNonFinite) {
  private static final Logger LOG = LoggerFactory.getLogger(Packing.class);

  /** Changes when the same source and tensors would be packed to other bytes. */
  private static final String VERSION = "1";

  /** The program with random weights of a seed. */
  public Path random(long seed) throws IOException {
    return packed(
        "random" + seed,
        (name, shape) ->
            new LazyTensor(
                ElementType.F32,
                shape,
                () ->
                    architecture.initial(
                        name, shape, Seeds.random(seed, architecture.name() + " " + name))));
  }

  /**
   * The program with the tensors of a checkpoint.
   *
   * @param digest SHA-256 of the checkpoint's file
   * @throws SqueezeException of category input if it does not hold exactly the network's tensors,
   *     or some that are not finite
   */
  public Path checkpoint(Storage storage, String path, String digest) throws IOException {
    Path found = file(digest);
    if (Files.exists(found)) {
      return found;
    }
    try (StateDict dict = StateDict.open(storage, path)) {
      Map<String, TensorSource> tensors = strict(dict, path);
      return packed(digest, (name, shape) -> finite(path, name, tensors.get(name)));
    }
  }

  /** The tensors by our names, after a look at every name and shape. */
  private Map<String, TensorSource> strict(StateDict dict, String path) {
    Map<String, long[]> asked = new LinkedHashMap<>();
    architecture.program(
        new Weights(
            (name, shape) -> {
              asked.put(name, shape);
              return new LazyTensor(ElementType.F32, shape, () -> null);
            },
            precision.type()));
    Map<String, TensorSource> tensors = new TreeMap<>();
    Set<String> unexpected = new TreeSet<>();
    withoutPrefix(dict.tensors(), asked.keySet(), path)
        .forEach(
            (name, tensor) -> {
              String ours = architecture.canonical(name);
              tensors.put(ours, tensor);
              if (!asked.containsKey(ours) && !architecture.ignores(ours)) {
                unexpected.add(name);
              }
            });
    Set<String> missing = new TreeSet<>(asked.keySet());
    missing.removeAll(tensors.keySet());
    if (!missing.isEmpty() || !unexpected.isEmpty()) {
      throw SqueezeException.input(
          "%s does not hold the weights of %s (--weights): %s; %s"
              .formatted(
                  path,
                  architecture.name(),
                  some("missing", missing),
                  some("unexpected", unexpected)));
    }
    asked.forEach(
        (name, shape) -> {
          TensorSource tensor = tensors.get(name);
          if (!Arrays.equals(shape, tensor.shape()) || !tensor.type().isFloat()) {
            throw SqueezeException.input(
                ("%s does not hold the weights of %s (--weights): %s should be floating %s, "
                        + "found %s %s")
                    .formatted(
                        path,
                        architecture.name(),
                        name,
                        Arrays.toString(shape),
                        tensor.type(),
                        Arrays.toString(tensor.shape())));
          }
        });
    return tensors;
  }

  /**
   * The tensors without what all of their names begin with, such as {@code module.} of
   * DistributedDataParallel or {@code _orig_mod.} of torch.compile, where none has a known name.
   */
  private Map<String, TensorSource> withoutPrefix(
      Map<String, TensorSource> tensors, Set<String> known, String path) {
    Map<String, TensorSource> found = tensors;
    StringBuilder prefix = new StringBuilder();
    while (found.keySet().stream().map(architecture::canonical).noneMatch(known::contains)) {
      String first = found.keySet().stream().findFirst().orElse("");
      String shared = first.substring(0, first.indexOf('.') + 1);
      if (shared.isEmpty() || !found.keySet().stream().allMatch(name -> name.startsWith(shared))) {
        return tensors;
      }
      Map<String, TensorSource> shorter = new LinkedHashMap<>();
      found.forEach((name, tensor) -> shorter.put(name.substring(shared.length()), tensor));
      found = shorter;
      prefix.append(shared);
    }
    if (!prefix.isEmpty()) {
      LOG.warn("All names in {} begin with {}, which is left out", path, prefix);
    }
    return found;
  }

  private static String some(String what, Set<String> names) {
    List<String> first = names.stream().limit(4).toList();
    return names.size()
        + " "
        + what
        + (names.isEmpty() ? "" : " (" + String.join(", ", first))
        + (names.isEmpty() ? "" : names.size() > 4 ? ", …)" : ")");
  }

  private TensorSource finite(String path, String name, TensorSource tensor) {
    return new LazyTensor(
        tensor.type(),
        tensor.shape(),
        () -> {
          HostTensor values = HostTensor.of(tensor);
          for (float value : values.floats()) {
            if (!Float.isFinite(value) && !allowNonFinite) {
              throw SqueezeException.input(
                  ("%s of %s holds NaN or infinity (--weights); backbone.allow-non-finite = true "
                          + "takes it as it is")
                      .formatted(name, path));
            }
          }
          return values;
        });
  }

  private Path packed(String origin, Weights.Source source) throws IOException {
    Path file = file(origin);
    if (!Files.exists(file)) {
      Files.createDirectories(cache);
      Path part = Files.createTempFile(cache, architecture.name() + "-", ".part");
      try {
        try (OutputStream out = new BufferedOutputStream(Files.newOutputStream(part), 1 << 16)) {
          ScriptArchive.write(architecture.program(new Weights(source, precision.type())), out);
        }
        Files.move(part, file, StandardCopyOption.ATOMIC_MOVE);
      } finally {
        Files.deleteIfExists(part);
      }
    }
    return file;
  }

  /** Named by everything that its bytes follow from. */
  private Path file(String origin) {
    String source =
        architecture
            .program(
                new Weights(
                    (name, shape) -> new LazyTensor(ElementType.F32, shape, () -> null),
                    precision.type()))
            .source();
    String key =
        BackboneFile.digest(
            String.join(
                "\n",
                VERSION,
                origin,
                precision.toString(),
                Boolean.toString(allowNonFinite),
                source));
    return cache.resolve(
        architecture.name() + "-" + precision + "-" + key.substring(0, 16) + ".pt");
  }
}
