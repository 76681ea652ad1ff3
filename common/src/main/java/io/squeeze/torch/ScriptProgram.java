package io.squeeze.torch;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.stream.Collectors;

/**
 * A TorchScript program: its source and the tree of modules that fills its classes.
 *
 * @param source serialised TorchScript: classes with typed attributes and methods in ATen calls
 * @param module an instance of the source's last class
 */
public record ScriptProgram(String source, ScriptModule module) {

  /** The source in a resource beside a class, without its comments and blank lines. */
  public static String resource(Class<?> beside, String name) {
    try (InputStream in = beside.getResourceAsStream(name)) {
      return new String(in.readAllBytes(), StandardCharsets.UTF_8)
          .lines()
          .filter(line -> !line.isBlank() && !line.strip().startsWith("#"))
          .collect(Collectors.joining("\n", "", "\n"));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
