package io.squeeze.jobs.visualize;

import static org.apache.spark.sql.functions.col;

import io.squeeze.config.ImageSettings;
import io.squeeze.config.Settings;
import io.squeeze.config.SqueezeException;
import io.squeeze.config.VisualizeSettings;
import io.squeeze.dataset.Datasets;
import io.squeeze.dataset.SegmentationDataset;
import io.squeeze.image.BadSampleException;
import io.squeeze.image.ImageDecoder;
import io.squeeze.image.Mask;
import io.squeeze.image.RgbImage;
import io.squeeze.image.SquareCrop;
import io.squeeze.jobs.evaluate.PerSample;
import io.squeeze.jobs.evaluate.Predictor;
import io.squeeze.jobs.evaluate.Trained;
import io.squeeze.jobs.evaluate.Trained.Models;
import io.squeeze.jobs.spark.Columns;
import io.squeeze.jobs.spark.Console;
import io.squeeze.jobs.spark.Cuts;
import io.squeeze.jobs.spark.HadoopStorage;
import io.squeeze.report.PictureGrid;
import io.squeeze.storage.Storage;
import io.squeeze.train.Checkpoint;
import io.squeeze.train.Example;
import java.io.IOException;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.storage.StorageLevel;

/** Draws the samples that kept most and least. Only those that are drawn come to the driver. */
public final class VisualizeJob {
  private final SparkSession spark;
  private final HadoopStorage storage;
  private final String checkpointPath;
  private final Trained trained;
  private final String split;
  private final VisualizeSettings settings;
  private final String root;

  /**
   * Opens what is to be drawn.
   *
   * @param embeddingsPath null: those of the run
   * @param dataPath where the photos lie now; null: where they lay when they were extracted
   */
  public VisualizeJob(
      SparkSession spark,
      String checkpointPath,
      String baselinePath,
      String embeddingsPath,
      String dataPath,
      String split,
      VisualizeSettings settings)
      throws IOException {
    this.spark = spark;
    this.storage = new HadoopStorage(spark);
    this.checkpointPath = checkpointPath;
    this.trained = Trained.open(storage, checkpointPath, baselinePath, embeddingsPath);
    this.split = split;
    this.settings = settings;
    String dataset = trained.embeddings().manifest().settings().get("data.dataset");
    this.root =
        dataPath == null
            ? trained.embeddings().manifest().root()
            : storage.qualified(root(dataset, dataPath));
  }

  /** Where a data set lies below a path: there itself, if it is declared by a file. */
  private String root(String dataset, String path) throws IOException {
    Optional<SegmentationDataset> known = Datasets.known(dataset);
    return known.isPresent() ? known.get().root(storage, path) : path;
  }

  /** A ranked sample. */
  private record Ranked(String id, double iou, double baselineIou) implements Serializable {}

  /** Writes the pictures; their paths. */
  public List<String> run() throws IOException {
    Dataset<Row> ranking =
        new PerSample(spark, trained)
            .rows(split)
            .select(Columns.SAMPLE_ID, PerSample.IOU, PerSample.BASELINE_IOU)
            .where(col(PerSample.IOU).isNotNull())
            .persist(StorageLevel.MEMORY_AND_DISK());
    List<Ranked> best = ranked(ranking, settings.best(), col(PerSample.IOU).desc());
    List<Ranked> worst = ranked(ranking, settings.worst(), col(PerSample.IOU).asc());
    ranking.unpersist();
    Map<String, Ranked> chosen = new LinkedHashMap<>();
    best.forEach(r -> chosen.put(r.id(), r));
    worst.forEach(r -> chosen.put(r.id(), r));
    Map<String, PictureGrid.Row> drawn = draw(chosen);
    List<String> paths = new ArrayList<>();
    write("Best", best, settings.best(), drawn, paths);
    write("Worst", worst, settings.worst(), drawn, paths);
    return paths;
  }

  private List<Ranked> ranked(Dataset<Row> ranking, int asked, Column order) {
    return ranking
        .orderBy(order, col(Columns.SAMPLE_ID))
        .limit(Math.min(asked, settings.maxRows()))
        .collectAsList()
        .stream()
        .map(r -> new Ranked(r.getString(0), r.getDouble(1), r.getDouble(2)))
        .toList();
  }

  /** A drawn sample on its way to the driver. */
  private record Drawn(String id, byte[] photo, byte[] truth, byte[] baseline, byte[] quantized)
      implements Serializable {}

  private Map<String, PictureGrid.Row> draw(Map<String, Ranked> chosen) {
    Map<String, PictureGrid.Row> rows = new LinkedHashMap<>();
    if (chosen.isEmpty()) {
      return rows;
    }
    Settings trainedWith = trained.checkpoint().settings();
    Broadcast<Models> models = trained.broadcast(spark);
    int side = trained.embeddings().manifest().size();
    Map<String, String> extracted = trained.embeddings().manifest().settings();
    ImageSettings limits =
        Settings.defaults()
            .with("image.max-pixels", extracted.get("image.max-pixels"))
            .with("image.max-bytes", extracted.get("image.max-bytes"))
            .image();
    Photos photos = new Photos(storage, root, limits, trained.embeddings().manifest().crop());
    List<Drawn> drawn =
        new Cuts(spark, trained.embeddings(), trainedWith.data())
            .rows(split)
            .where(col(Columns.SAMPLE_ID).isin(chosen.keySet().toArray()))
            .select(Columns.SAMPLE_ID, Columns.IMAGE_PATH, Columns.EMBEDDING, Columns.MASK)
            .toJavaRDD()
            .mapPartitions(samples -> drawAll(models.value(), photos, samples))
            .collect();
    for (Drawn d : drawn) {
      Ranked ranked = chosen.get(d.id());
      rows.put(
          d.id(),
          new PictureGrid.Row(
              d.id(),
              new RgbImage(side, side, d.photo()),
              new Mask(side, side, d.truth()),
              new Mask(side, side, d.baseline()),
              new Mask(side, side, d.quantized()),
              ranked.baselineIou(),
              ranked.iou()));
    }
    return rows;
  }

  /** Reads photos again, since embeddings do not keep them. */
  private record Photos(HadoopStorage storage, String root, ImageSettings limits, SquareCrop square)
      implements Serializable {
    byte[] crop(String path) {
      ImageDecoder decoder = new ImageDecoder(limits);
      try {
        byte[] file = decoder.read(storage, Storage.join(root, path));
        return square.apply(decoder.decodeRgb(file)).data();
      } catch (BadSampleException e) {
        throw SqueezeException.input(
            "Cannot read the photo "
                + Storage.join(root, path)
                + " ("
                + e.getMessage()
                + "): if the data set moved, set --data_path");
      }
    }
  }

  private static Iterator<Drawn> drawAll(Models models, Photos photos, Iterator<Row> samples) {
    List<Drawn> drawn = new ArrayList<>();
    if (samples.hasNext()) {
      try (Predictor quantized = new Predictor(models.checkpoint());
          Predictor baseline = new Predictor(models.baseline())) {
        while (samples.hasNext()) {
          Row row = samples.next();
          Example example = new Example(row.getString(0), row.getAs(2), row.getAs(3));
          drawn.add(
              new Drawn(
                  example.id(),
                  photos.crop(row.getString(1)),
                  example.mask(),
                  baseline.predict(example).mask(),
                  quantized.predict(example).mask()));
        }
      }
    }
    return drawn.iterator();
  }

  private void write(
      String which,
      List<Ranked> ranked,
      int asked,
      Map<String, PictureGrid.Row> drawn,
      List<String> paths)
      throws IOException {
    String lower = which.toLowerCase(Locale.ROOT);
    if (ranked.isEmpty()) {
      Console.say(
          asked == 0
              ? "No picture of the " + lower + " results: n_" + lower + " is 0"
              : "No picture of the " + lower + " results: the split has no sample with an IoU");
      return;
    }
    if (asked > settings.maxRows() && ranked.size() == settings.maxRows()) {
      Console.warn(
          asked
              + " of the "
              + lower
              + " were asked for, "
              + ranked.size()
              + " are drawn (visualize.max-rows)");
    }
    Checkpoint checkpoint = trained.checkpoint();
    PictureGrid grid =
        new PictureGrid(
            which + " results of " + modelName(checkpointPath) + " (" + split + " split)",
            checkpoint.classNames(),
            checkpoint.palette());
    String path =
        settings.dir()
            + "/"
            + modelName(checkpointPath)
            + "/"
            + lower
            + "_results_"
            + split
            + ".png";
    List<PictureGrid.Row> rows = ranked.stream().map(r -> drawn.get(r.id())).toList();
    storage.replace(path, out -> grid.write(rows, out));
    paths.add(path);
    Console.result("Written: " + path);
    for (Ranked r : ranked) {
      Console.result(
          String.format(
              Locale.ROOT, "  %-32s IoU %.3f, baseline %.3f", r.id(), r.iou(), r.baselineIou()));
    }
  }

  /** The checkpoint's file without ending, last and best; else the name of its run's folder. */
  static String modelName(String checkpoint) {
    String[] parts = checkpoint.split("/", -1);
    String file = parts[parts.length - 1].replace(".ckpt", "");
    String name = file.replace("last", "").replace("best", "").replaceAll("^[-_]+|[-_]+$", "");
    if (!name.isEmpty()) {
      return name;
    }
    return parts.length > 1 && !parts[parts.length - 2].equals(".")
        ? parts[parts.length - 2]
        : "model";
  }
}
