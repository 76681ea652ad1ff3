package io.squeeze.jobs.publish;

import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;

/** Finds what a manifest says that cannot be: somebody else may have written or changed it. */
final class ManifestCheck {
  /** A grid is one array of Java. */
  private static final long MOST_VALUES = Integer.MAX_VALUE / 4;

  private final List<String> problems = new ArrayList<>();

  /** One sentence for each problem; none of a manifest that may be used. */
  List<String> problems(Manifest manifest) {
    oneOf(
        "table",
        manifest.table(),
        List.of(
            Manifest.EMBEDDINGS,
            Manifest.POOLED,
            Manifest.CODES,
            Manifest.PREDICTIONS,
            Manifest.INDEX));
    oneOf("dtype", manifest.dtype(), List.of("float32", "float16"));
    given("settings", manifest.settings() == null ? null : manifest.settings().values());
    given("classes", manifest.classes());
    given("palette", manifest.palette());
    given("columns", manifest.columns());
    given("splits", manifest.splits());
    given("rows", manifest.rows() == null ? null : manifest.rows().values());
    given("files", manifest.files());
    expect(manifest.stratum() != null, "stratum is missing");
    shape(manifest);
    coding(manifest.coding());
    if (problems.isEmpty()) {
      expect(
          manifest.classes().size() == manifest.palette().size(),
          "classes and palette differ in length");
      manifest.columns().forEach(column -> expect(column.name() != null, "a column has no name"));
      files(manifest);
    }
    return problems;
  }

  private void expect(boolean holds, String problem) {
    if (!holds) {
      problems.add(problem);
    }
  }

  private void oneOf(String name, String value, List<String> values) {
    expect(
        values.contains(String.valueOf(value)), name + " is " + value + ", not one of " + values);
  }

  private void given(String name, Collection<?> values) {
    expect(
        values != null && values.stream().allMatch(Objects::nonNull),
        name + " is missing, or holds null");
  }

  private void shape(Manifest manifest) {
    for (int side :
        List.of(
            manifest.channels(), manifest.gridHeight(), manifest.gridWidth(), manifest.size())) {
      if (side < 1 || side > 1 << 24) {
        problems.add("channels, gridHeight, gridWidth, size: %d is no length".formatted(side));
        return;
      }
    }
    double values = (double) manifest.channels() * manifest.gridHeight() * manifest.gridWidth();
    expect(values <= MOST_VALUES, "a grid of %.0f values is too large".formatted(values));
  }

  private void coding(Coding coding) {
    if (coding == null) {
      return;
    }
    oneOf("coding.codec", coding.codec(), List.of(Coding.PACKED, Coding.ENTROPY));
    if (coding.levels() == null || coding.frequencies() == null) {
      problems.add("coding lacks levels or frequencies");
      return;
    }
    for (int codes : coding.levels()) {
      expect(codes >= 1, "coding.levels holds " + codes);
    }
    if (Coding.ENTROPY.equals(coding.codec())) {
      boolean fits = coding.frequencies().size() == coding.levels().length;
      for (int i = 0; fits && i < coding.levels().length; i++) {
        int[] level = coding.frequencies().get(i);
        fits = level != null && level.length == coding.levels()[i];
      }
      expect(fits, "coding.frequencies do not fit coding.levels");
    }
  }

  /** Files lie below the version, and their rows add up to those of the splits. */
  private void files(Manifest manifest) {
    Map<String, Long> counted = new TreeMap<>();
    manifest.rows().keySet().forEach(split -> counted.put(split, 0L));
    for (DataFile file : manifest.files()) {
      if (file.path() == null || file.bytes() < 0 || file.rows() < 0 || file.sha256() == null) {
        problems.add("files holds one without path, bytes, rows or sha256");
        return;
      }
      if (file.path().startsWith("/") || List.of(file.path().split("/", -1)).contains("..")) {
        problems.add("files names " + file.path() + ", which is not below the version");
        return;
      }
      if (!file.split().isEmpty()) {
        counted.merge(file.split(), file.rows(), Long::sum);
      }
    }
    expect(
        counted.equals(new TreeMap<>(manifest.rows())),
        "rows says %s, the files hold %s".formatted(new TreeMap<>(manifest.rows()), counted));
  }
}
