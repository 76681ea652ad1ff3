package io.squeeze.jobs.cli;

import io.squeeze.jobs.console.Reporter;
import io.squeeze.torch.ScriptArchive;
import io.squeeze.torch.ScriptModule;
import io.squeeze.torch.ScriptProgram;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.apache.spark.sql.SparkSession;

/**
 * Walks a few synthesized photos through all commands, in one JVM. The build runs it to record the
 * classes that commands load (class-data sharing); submit/squeeze says with which options.
 */
public final class Rehearsal {
  /** A backbone of no cost: [B, 3, H, W] to [B, 3, H / 16, W / 16]. */
  private static final String BACKBONE =
      """
      class Means(Module):
        __parameters__ = []
        __buffers__ = []
        def forward(self: __torch__.Means, x: Tensor) -> Tensor:
          return torch.avg_pool2d(x, [16, 16])
      """;

  private static final String TABLE =
      "SELECT sample_id AS id, slice(embedding_to_array(embedding), 1, 64) AS v FROM embeddings";

  private Rehearsal() {}

  /**
   * Walks.
   *
   * @param args a folder that is there and empty
   */
  public static void main(String[] args) throws IOException {
    Path folder = Path.of(args[0]);
    Path backbone = folder.resolve("means.pt");
    try (OutputStream out = Files.newOutputStream(backbone)) {
      ScriptArchive.write(new ScriptProgram(BACKBONE, new ScriptModule("Means")), out);
    }
    String shapes = folder.resolve("shapes").toString();
    String embeddings = folder.resolve("emb").toString();
    String outputs = folder.resolve("outputs").toString();
    String table = folder.resolve("table").toString();
    String photos = outputs + "/photos/last.ckpt";
    String vectors = outputs + "/vectors/last.ckpt";
    List<String> input = List.of("--input", table, "--vector_col", "v", "--id_col", "id");
    List<String> training = List.of("--output_dir", outputs, "--codebook_size", "8");
    run("synthesize", List.of("--out", shapes, "--count", "24"));
    run(
        "extract",
        List.of("--model", backbone.toString(), "--data_path", shapes, "--embeddings", embeddings));
    run(
        "train",
        List.of("--embeddings", embeddings, "--experiment_name", "photos", "--epochs", "2"),
        training);
    run(
        "encode",
        List.of("--embeddings", embeddings, "--checkpoint", photos),
        List.of("--codes", folder.resolve("codes").toString()));
    run("evaluate", List.of("--checkpoint", photos));
    run("query", List.of("--workspace", folder.toString(), "--sql", "SELECT count(*) FROM codes"));
    run(
        "query",
        List.of("--workspace", folder.toString(), "--sql", TABLE),
        List.of("--format", "parquet", "--out", table));
    run("train", input, training, List.of("--experiment_name", "vectors", "--head", "none"));
    run(
        "encode",
        input,
        List.of("--checkpoint", vectors, "--codes", folder.resolve("t").toString()));
    run("evaluate", input, List.of("--checkpoint", vectors));
    SparkSession.active().stop();
  }

  @SafeVarargs
  private static void run(String command, List<String>... options) {
    List<String> words = new ArrayList<>(List.of(command));
    for (List<String> some : options) {
      words.addAll(some);
    }
    int code = Squeeze.run(Reporter.standard(), words.toArray(String[]::new));
    if (code != 0) {
      System.exit(code);
    }
  }
}
