package io.squeeze.jobs.console;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.util.List;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.types.StructType;
import org.junit.jupiter.api.Test;

class MessagesTest {

  /** Ids and names of runs are others' text: they neither steer a terminal nor begin a line. */
  @Test
  void textThatActsIsShown() {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    PrintStream stream = new PrintStream(bytes, true, StandardCharsets.UTF_8);
    Reporter reporter = new Reporter(stream, stream);
    String id = "a\u001b[2Jb\nERROR\u202Ec é 中";
    String shown = "a\\u001b[2Jb\\nERROR\\u202ec é 中";
    reporter.say(id);
    reporter.warn(id);
    reporter.error(id);
    reporter.result(id);
    new TextTable(new StructType().add("id", "string"))
        .print(List.of(RowFactory.create(id)).iterator(), stream);
    assertThat(bytes.toString(StandardCharsets.UTF_8).lines())
        .containsExactly(
            shown,
            "WARN " + shown,
            "ERROR " + shown,
            shown,
            "id",
            "-".repeat(shown.length() - 1),
            shown.replace("\\n", " "),
            "(1 row)");
  }

  @Test
  void whatTheSystemRefusesIsToldByType() {
    assertThat(Failure.of(new IllegalStateException(new StackOverflowError())))
        .isEqualTo(
            new Failure("A text (SQL, JSON or settings) is nested too deeply to be read", 4));
    assertThat(Failure.of(new UncheckedIOException(new AccessDeniedException("/a"))))
        .isEqualTo(new Failure("No permission for /a", 4));
    assertThat(Failure.of(new FileSystemException("/nnn", null, "File name too long")))
        .isEqualTo(
            new Failure("A name is too long for the file system: /nnn; choose a shorter one", 3));
  }
}
