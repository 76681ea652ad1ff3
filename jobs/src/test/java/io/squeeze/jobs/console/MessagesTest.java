package io.squeeze.jobs.console;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
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
  void whatIsNestedTooDeeplyIsBadInput() {
    Failure failure = Failure.of(new IllegalStateException(new StackOverflowError()));
    assertThat(failure.code()).isEqualTo(4);
    assertThat(failure.sentence()).contains("nested too deeply");
  }
}
