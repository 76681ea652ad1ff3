package io.squeeze.config;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import org.junit.jupiter.api.Test;

/** conf/README.md lists every setting as reference.conf has it; {@code -Dpages.write} makes it. */
class SettingsPageTest {
  private static final Path PAGE = Path.of("../conf/README.md");
  private static final Path REFERENCE = Path.of("src/main/resources/reference.conf");

  @Test
  void thePageOfSettingsIsThatOfTheReference() throws IOException {
    String page = page(Files.readAllLines(REFERENCE));
    if (System.getProperty("pages.write") != null) {
      Files.writeString(PAGE, page);
    }
    assertThat(Files.readString(PAGE)).isEqualTo(page);
    Settings.defaults()
        .flat()
        .keySet()
        .forEach(key -> assertThat(page).contains("| `" + key + "` |"));
  }

  private static String page(List<String> lines) {
    StringBuilder page =
        new StringBuilder(
            """
            # Settings

            Later ones win: `reference.conf`, `conf/application.conf`, `--config FILE`, `--set key=value`, flags. The flag
            of a setting stands in brackets. This page is made from
            [reference.conf](../common/src/main/resources/reference.conf):
            `mvn -B test -pl common -Dtest=SettingsPageTest -Dpages.write`.

            [spark/](spark) has starts for local machines, standalone clusters, YARN and Kubernetes, `gpu.conf` our own
            settings for GPUs, [grids/](grids) sweeps to begin with.
            """);
    Deque<String> path = new ArrayDeque<>();
    List<String> comment = new ArrayList<>();
    String section = null;
    for (String raw : lines) {
      String line = raw.strip();
      if (line.startsWith("#")) {
        comment.add(line.substring(1).strip());
      } else if (line.endsWith("{")) {
        path.addLast(line.substring(0, line.length() - 1).strip());
        comment.clear();
      } else if (line.equals("}")) {
        path.removeLast();
      } else if (line.contains("=")) {
        String key = line.substring(0, line.indexOf('=')).strip();
        String value = line.substring(line.indexOf('=') + 1).strip();
        List<String> parts = new ArrayList<>(path);
        parts.remove("squeeze");
        String home = parts.isEmpty() ? "general" : parts.get(0);
        if (!home.equals(section)) {
          section = home;
          page.append("\n## ").append(home).append("\n\n| setting | default | what it is |\n");
          page.append("| --- | --- | --- |\n");
        }
        parts.add(key);
        page.append("| `").append(String.join(".", parts)).append("` | `").append(value);
        page.append("` | ").append(String.join(" ", comment).replace("|", "\\|")).append(" |\n");
        comment.clear();
      } else if (line.isEmpty()) {
        comment.clear();
      }
    }
    return page.toString();
  }
}
