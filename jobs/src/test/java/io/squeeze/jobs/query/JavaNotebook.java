package io.squeeze.jobs.query;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import javax.imageio.ImageIO;
import jdk.jshell.JShell;
import jdk.jshell.Snippet;
import jdk.jshell.SnippetEvent;
import jdk.jshell.SourceCodeAnalysis.CompletionInfo;

/**
 * Runs the cells of a notebook for a Java kernel, in this JVM. {@code main} keeps the outputs in
 * the file; CONTRIBUTING.md has the command.
 */
public final class JavaNotebook {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final List<BufferedImage> SHOWN = new ArrayList<>();

  private JavaNotebook() {}

  /** What a kernel offers to cells, here. */
  public static void display(Object picture) {
    SHOWN.add((BufferedImage) picture);
  }

  public static void main(String[] args) throws IOException {
    Path file = Path.of(args[0]);
    Files.writeString(
        file, JSON.writerWithDefaultPrettyPrinter().writeValueAsString(run(file)) + "\n");
  }

  /** The notebook with the outputs of its cells; fails where a cell does. */
  static JsonNode run(Path file) throws IOException {
    JsonNode notebook = JSON.readTree(file.toFile());
    PrintStream before = System.out;
    int count = 0;
    // It has this JVM's class path.
    try (JShell shell = JShell.builder().executionEngine("local").build()) {
      evaluate(
          shell,
          "void display(Object picture) { io.squeeze.jobs.query.JavaNotebook.display(picture); }");
      for (JsonNode cell : notebook.get("cells")) {
        if (cell.get("cell_type").asText().equals("code")) {
          StringBuilder source = new StringBuilder();
          lines(cell).forEach(source::append);
          ByteArrayOutputStream printed = new ByteArrayOutputStream();
          System.setOut(new PrintStream(printed, true, StandardCharsets.UTF_8));
          SHOWN.clear();
          evaluate(shell, source.toString());
          ((ObjectNode) cell).put("execution_count", ++count);
          ((ObjectNode) cell).set("outputs", outputs(printed.toString(StandardCharsets.UTF_8)));
        }
      }
    } finally {
      System.setOut(before);
    }
    return notebook;
  }

  private static List<String> lines(JsonNode cell) {
    List<String> lines = new ArrayList<>();
    JsonNode source = cell.get("source");
    if (source.isTextual()) {
      lines.add(source.asText());
    }
    source.forEach(line -> lines.add(line.asText()));
    return lines;
  }

  private static void evaluate(JShell shell, String source) {
    String left = source;
    while (!left.isBlank()) {
      CompletionInfo next = shell.sourceCodeAnalysis().analyzeCompletion(left);
      for (SnippetEvent event : shell.eval(next.source() == null ? left : next.source())) {
        if (event.exception() != null || event.status() == Snippet.Status.REJECTED) {
          StringBuilder why = new StringBuilder(event.snippet().source());
          shell
              .diagnostics(event.snippet())
              .forEach(d -> why.append('\n').append(d.getMessage(null)));
          throw new AssertionError(why.toString(), event.exception());
        }
      }
      left = next.source() == null ? "" : next.remaining();
    }
  }

  private static ArrayNode outputs(String printed) throws IOException {
    ArrayNode outputs = JSON.createArrayNode();
    if (!printed.isEmpty()) {
      ObjectNode stream = outputs.addObject().put("output_type", "stream").put("name", "stdout");
      stream.set("text", JSON.valueToTree(printed.lines().map(line -> line + "\n").toList()));
    }
    for (BufferedImage picture : SHOWN) {
      ByteArrayOutputStream png = new ByteArrayOutputStream();
      if (!ImageIO.write(picture, "png", png)) {
        throw new IOException("A picture cannot be written as PNG");
      }
      ObjectNode shown = outputs.addObject().put("output_type", "display_data");
      shown.set("metadata", JSON.createObjectNode());
      shown
          .putObject("data")
          .put("image/png", Base64.getEncoder().encodeToString(png.toByteArray()));
    }
    return outputs;
  }

  /** How many pictures its outputs hold. */
  static int pictures(JsonNode notebook) {
    return notebook.findValues("image/png").size();
  }
}
