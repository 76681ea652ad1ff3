package io.squeeze.track;

import io.squeeze.storage.Storage;
import java.io.IOException;
import java.io.InputStream;

/** A file of a run, by the name that people see. */
public record Artifact(String name, Storage storage, String path) {
  InputStream open() throws IOException {
    return storage.open(path);
  }

  long length() throws IOException {
    return storage.length(path);
  }

  /** By the name's ending. */
  String contentType() {
    String ending = name.substring(name.lastIndexOf('.') + 1);
    return switch (ending) {
      case "json", "jsonl" -> "application/json";
      case "html" -> "text/html";
      case "png" -> "image/png";
      default -> "application/octet-stream";
    };
  }
}
