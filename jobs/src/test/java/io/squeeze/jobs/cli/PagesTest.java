package io.squeeze.jobs.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.squeeze.jobs.console.Reporter;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import picocli.CommandLine;

/** The commands that the pages show are those that there are. */
class PagesTest {
  private static final Pattern BLOCK = Pattern.compile("(?ms)^ *```\\s*$(.*?)^ *```\\s*$");
  private static final Pattern COMMAND =
      Pattern.compile("submit/squeeze\\s+((?:\"[^\"]*\"|\\\\\\n|[^\\n|\"])*)");
  private static final Pattern WORD = Pattern.compile("\"[^\"]*\"|\\S+");

  @Test
  void everyCommandOfThePagesHasOptionsThatThereAre() throws IOException {
    CommandLine all = Commands.all(Reporter.standard());
    int checked = 0;
    for (Path page : pages()) {
      Matcher block = BLOCK.matcher(Files.readString(page));
      while (block.find()) {
        Matcher command = COMMAND.matcher(block.group(1));
        while (command.find()) {
          check(all, page, words(command.group(1)));
          checked++;
        }
      }
    }
    assertThat(checked).isGreaterThan(20);
  }

  private static void check(CommandLine all, Path page, List<String> words) {
    String line = page + ": " + String.join(" ", words);
    int at = 0;
    while (at < words.size() && !all.getSubcommands().containsKey(words.get(at))) {
      at++; // options of spark-submit
    }
    assertThat(at).as(line).isLessThan(words.size());
    CommandLine command = all.getSubcommands().get(words.get(at));
    List<String> options =
        words.subList(at + 1, words.size()).stream()
            .filter(word -> word.startsWith("--"))
            .map(word -> Arguments.normalised(new String[] {word})[0].replaceFirst("=.*", ""))
            .toList();
    assertThat(command.getCommandSpec().optionsMap().keySet()).as(line).containsAll(options);
  }

  private static List<Path> pages() throws IOException {
    try (Stream<Path> files = Files.walk(Path.of(".."), 2)) {
      return files.filter(file -> file.toString().endsWith(".md")).toList();
    }
  }

  private static List<String> words(String command) {
    List<String> words = new ArrayList<>();
    Matcher word = WORD.matcher(command.replace("\\\n", " ").replaceFirst("\\s#.*", ""));
    while (word.find()) {
      words.add(word.group());
    }
    return words;
  }
}
