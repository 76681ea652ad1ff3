package io.squeeze.config;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.typesafe.config.ConfigException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Files of others are data; files of the user may include files. */
class JsonTest {

  @Test
  void nothingIsIncludedAndTheEnvironmentIsNotRead() {
    assertThatThrownBy(() -> Json.config("include url(\"http://127.0.0.1:1/x\")\n{}", "F"))
        .isInstanceOf(SqueezeException.class)
        .hasMessageStartingWith("Cannot read F: ");
    assertThatThrownBy(() -> Json.config("{\"a\" : ${?PATH}}", "F"))
        .isInstanceOf(SqueezeException.class);
    assertThat(Json.config("{\"a\" : \"${?PATH}\", \"include\" : \"file(x)\"}", "F").root())
        .hasToString("SimpleConfigObject({\"a\":\"${?PATH}\",\"include\":\"file(x)\"})");
    assertThatThrownBy(() -> Settings.parse("{\"model\" : ${PATH}}", "config.json"))
        .hasMessageStartingWith("Cannot read config.json: ");
  }

  @Test
  void depthAndKindAreLimited() {
    String deep = "[".repeat(200_000);
    assertThatThrownBy(() -> Json.tree(deep, "F"))
        .isInstanceOf(SqueezeException.class)
        .hasMessageContaining("100");
    for (String text : new String[] {"", "[]", "3", "null", "{", "{} {}"}) {
      assertThatThrownBy(() -> Json.config(text, "F"))
          .as(text)
          .isInstanceOf(SqueezeException.class)
          .hasMessageStartingWith("Cannot read F: ");
    }
  }

  @Test
  void aUsersFileIncludesFilesAndNoUrl(@TempDir Path folder) throws Exception {
    Files.writeString(folder.resolve("half.conf"), "b = 2");
    Path whole = Files.writeString(folder.resolve("whole.conf"), "include \"half.conf\"\na = 1");
    assertThat(Hocon.file(whole).getInt("b")).isEqualTo(2);
    for (String what : new String[] {"url(\"file:/etc/hostname\")", "\"http://127.0.0.1:1/x\""}) {
      Path file = Files.writeString(folder.resolve("url.conf"), "include " + what);
      assertThatThrownBy(() -> Hocon.file(file))
          .isInstanceOf(ConfigException.class)
          .hasMessageContaining("only files may be included");
      assertThatThrownBy(() -> Hocon.text("include " + what)).isInstanceOf(ConfigException.class);
    }
    assertThatThrownBy(() -> Hocon.text("a = " + "[".repeat(200_000)))
        .isInstanceOf(ConfigException.class)
        .hasMessageContaining("nested too deeply");
  }

  /** A class whose name a file of somebody else may hold. */
  public static final class Acting {
    static {
      System.setProperty("squeeze.test.acted", "yes");
    }
  }

  @Test
  void aClassThatDoesNotFitIsNotRun() {
    assertThatThrownBy(
            () ->
                Plugins.find(
                    io.squeeze.quantize.QuantizerType.class,
                    io.squeeze.quantize.QuantizerType::name,
                    "io.squeeze.config.JsonTest$Acting"))
        .hasMessageContaining("Cannot use the class io.squeeze.config.JsonTest$Acting");
    assertThat(System.getProperty("squeeze.test.acted")).isNull();
  }
}
