package io.squeeze.jobs.run;

import io.squeeze.codec.Compression;
import io.squeeze.codec.Compression.Bytes;
import io.squeeze.codec.Compression.Ratios;
import io.squeeze.jobs.publish.Versions;
import io.squeeze.jobs.storage.HadoopStorage;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;

/** The table of bytes and ratios that a user reads. */
public final class CompressionTable {
  private CompressionTable() {}

  /** Its lines. */
  public static List<String> lines(Compression compression) {
    List<String> lines = new ArrayList<>();
    lines.add(
        line("", "float32", "embeddings", "nominal", "packed", "entropy", "stored", "amortized"));
    lines.add(bytes("bytes", compression.bytes()));
    lines.add(bytes("bytes a sample", compression.bytesPerSample()));
    lines.add(ratios("of float32", compression.ratios()));
    if (compression.ratiosOfStored() != null) {
      lines.add(ratios("of embeddings", compression.ratiosOfStored()));
    }
    return lines;
  }

  /** Keeps them beside a version of codes, with what encoding took. */
  public static void write(
      HadoopStorage storage, String version, Compression compression, double seconds)
      throws IOException {
    Map<String, Object> metrics = new LinkedHashMap<>();
    metrics.put("samples", compression.samples());
    metrics.put("bits_per_vector", compression.bitsPerVector());
    metrics.put("seconds", seconds);
    metrics.put("bytes", compression.bytes());
    metrics.put("compression", compression.ratios());
    metrics.put("compression_of_stored", compression.ratiosOfStored());
    Versions.writeMetrics(storage, version, metrics);
  }

  private static String bytes(String name, Bytes b) {
    return line(
        name,
        count(b.float32()),
        b.embeddings() == null ? "-" : count(b.embeddings()),
        count(b.nominal()),
        count(b.packed()),
        count(b.entropy()),
        count(b.stored()),
        count(b.amortized()));
  }

  private static String ratios(String name, Ratios r) {
    return line(
        name,
        "",
        "",
        ratio(r.nominal()),
        ratio(r.packed()),
        ratio(r.entropy()),
        ratio(r.stored()),
        ratio(r.amortized()));
  }

  private static String count(double bytes) {
    return String.format(Locale.ROOT, bytes < 1000 ? "%.1f" : "%,.0f", bytes);
  }

  /** A ratio as a user reads it. */
  public static String ratio(Double value) {
    return value == null
        ? "-"
        : String.format(Locale.ROOT, value < 100 ? "%.2fx" : "%,.0fx", value);
  }

  private static String line(String name, String... cells) {
    return String.format(Locale.ROOT, "%-14s", name)
        + Arrays.stream(cells)
            .map(cell -> String.format(Locale.ROOT, " %14s", cell))
            .collect(Collectors.joining());
  }
}
