package io.squeeze.jobs.extract;

import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.lit;
import static org.apache.spark.sql.functions.when;

import io.squeeze.config.SqueezeException;
import io.squeeze.dataset.SegmentationDataset;
import io.squeeze.jobs.console.Reporter;
import io.squeeze.jobs.publish.Columns;
import io.squeeze.jobs.publish.DataFile;
import io.squeeze.jobs.publish.Versions.Published;
import io.squeeze.jobs.spark.SqueezeSession;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;

/**
 * The version that the next one adds to: its files are taken over, and only samples without a row
 * there are extracted. Nothing, where there is no version yet.
 */
final class PreviousVersion {
  private final SparkSession spark;
  private final Reporter reporter;
  private final SegmentationDataset dataset;
  private final Optional<Published> before;

  PreviousVersion(SqueezeSession session, SegmentationDataset dataset, Optional<Published> before) {
    this.spark = session.spark();
    this.reporter = session.reporter();
    this.dataset = dataset;
    this.before = before;
  }

  /**
   * The listed samples without a row in the previous version. Samples that it rejected are among
   * them.
   *
   * @throws SqueezeException of category configuration if a row of the previous version is no
   *     longer listed, or is listed differently
   */
  Dataset<Row> unseen(Dataset<Row> listed) {
    if (before.isEmpty()) {
      return listed;
    }
    Dataset<Row> published = before.get().read(spark);
    List<Column> columns = new ArrayList<>();
    List.of(Columns.SAMPLE_ID, Columns.SPLIT, Columns.IMAGE_PATH).forEach(c -> columns.add(col(c)));
    dataset.columns().forEach(c -> columns.add(col(c.name())));
    Column[] all = columns.toArray(Column[]::new);
    Column split = lit(null).cast("string");
    for (int i = 0; i < dataset.splits().size(); i++) {
      Column name = lit(dataset.splits().get(i));
      split = when(col(Columns.SPLIT_INDEX).equalTo(i), name).otherwise(split);
    }
    Column first = col(Listing.DUPLICATE).equalTo(false);
    Dataset<Row> named =
        listed
            .where(first)
            .withColumn(Columns.SPLIT, split)
            .withColumnRenamed(Listing.IMAGE, Columns.IMAGE_PATH)
            .select(all);
    long gone = published.select(all).except(named).count();
    if (gone > 0) {
      throw SqueezeException.configuration(
          ("%s samples of %s are no longer listed, or are listed differently: a next "
                  + "version can only add samples; name another folder with --embeddings or --codes")
              .formatted(gone, before.get().path()));
    }
    Dataset<Row> ids = published.select(col(Columns.SAMPLE_ID).as("published_id"));
    Column same = col(Columns.SAMPLE_ID).equalTo(col("published_id"));
    return listed.join(ids, same.and(first), "left_anti");
  }

  /** The numbers that further files count from, by split. */
  List<Integer> firstNumbers() {
    List<Integer> numbers = new ArrayList<>();
    for (String split : dataset.splits()) {
      numbers.add(
          files().stream()
              .filter(file -> file.split().equals(split))
              .mapToInt(file -> FilePlan.number(file.path()) + 1)
              .max()
              .orElse(0));
    }
    return numbers;
  }

  /** Takes the files of samples over, each in a task. */
  List<FileResult> taken(HadoopCopy copy) {
    if (files().isEmpty()) {
      return List.of();
    }
    String source = before.orElseThrow().path();
    reporter.say("Taking over " + files().size() + " files of " + source);
    return JavaSparkContext.fromSparkContext(spark.sparkContext())
        .parallelize(files(), Math.min(files().size(), 10_000))
        .map(copy.from(source))
        .collect();
  }

  /** Makes the copying task for a version's folder. */
  interface HadoopCopy {
    FileCopy from(String source);
  }

  /** Samples of the version before. */
  long rows() {
    return files().stream().mapToLong(DataFile::rows).sum();
  }

  private List<DataFile> files() {
    return before.stream()
        .flatMap(version -> version.manifest().files().stream())
        .filter(file -> !file.split().isEmpty())
        .toList();
  }
}
