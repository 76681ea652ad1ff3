package io.squeeze.jobs;

import io.squeeze.config.Seeds;
import io.squeeze.jobs.ml.VectorQuantization;
import io.squeeze.jobs.ml.VectorQuantizationModel;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.SplittableRandom;
import org.apache.spark.ml.clustering.KMeans;
import org.apache.spark.ml.clustering.KMeansModel;
import org.apache.spark.ml.feature.PCA;
import org.apache.spark.ml.feature.PCAModel;
import org.apache.spark.ml.linalg.SQLDataTypes;
import org.apache.spark.ml.linalg.Vector;
import org.apache.spark.ml.linalg.Vectors;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.StructType;

/**
 * What the estimator loses on vectors that it did not see, beside Spark MLlib's PCA and k-means put
 * together by hand: 200 components with Zipf's weights, a power-law spectrum, 768 dimensions.
 * CONTRIBUTING.md has the command.
 */
@SuppressWarnings("SystemOut")
public final class VectorBenchmark {
  private static final int WIDTH = 768;
  private static final int COMPONENTS = 200;
  private static final int KEPT = 64;
  private static final StructType SCHEMA =
      new StructType().add("features", SQLDataTypes.VectorType());

  private final double[] spread = new double[WIDTH];
  private final double[][] turns = new double[WIDTH][];
  private final double[][] centres = new double[COMPONENTS][];
  private final double[] weights = new double[COMPONENTS];

  private VectorBenchmark() {
    SplittableRandom random = Seeds.random(1, "mixture");
    double total = 0;
    for (int j = 0; j < WIDTH; j++) {
      spread[j] = Math.pow(j + 1, -0.5);
      // Reflections mix the axes, so that none of them is a principal component.
      turns[j] = j < 8 ? unit(random) : null;
    }
    for (int c = 0; c < COMPONENTS; c++) {
      centres[c] = new double[WIDTH];
      for (int j = 0; j < WIDTH; j++) {
        centres[c][j] = 1.5 * spread[j] * Seeds.gaussian(random);
      }
      total += 1.0 / (c + 1);
      weights[c] = total;
    }
  }

  private static double[] unit(SplittableRandom random) {
    double[] vector = new double[WIDTH];
    double squares = 0;
    for (int j = 0; j < WIDTH; j++) {
      vector[j] = Seeds.gaussian(random);
      squares += vector[j] * vector[j];
    }
    for (int j = 0; j < WIDTH; j++) {
      vector[j] /= Math.sqrt(squares);
    }
    return vector;
  }

  private Dataset<Row> sample(SparkSession spark, String purpose, int count) {
    SplittableRandom random = Seeds.random(2, purpose);
    List<Row> rows = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      double at = random.nextDouble() * weights[COMPONENTS - 1];
      int c = 0;
      while (weights[c] < at) {
        c++;
      }
      double[] x = new double[WIDTH];
      for (int j = 0; j < WIDTH; j++) {
        x[j] = (float) (centres[c][j] + spread[j] * Seeds.gaussian(random));
      }
      for (int t = 0; t < 8; t++) {
        double along = 0;
        for (int j = 0; j < WIDTH; j++) {
          along += x[j] * turns[t][j];
        }
        for (int j = 0; j < WIDTH; j++) {
          x[j] -= 2 * along * turns[t][j];
        }
      }
      rows.add(RowFactory.create(Vectors.dense(x)));
    }
    return spark.createDataFrame(rows, SCHEMA).repartition(4).cache();
  }

  public static void main(String[] args) throws IOException {
    try (SparkSession spark = Fixture.local("local[2]")) {
      VectorBenchmark mixture = new VectorBenchmark();
      Dataset<Row> train = mixture.sample(spark, "train", 20_000);
      Dataset<Row> test = mixture.sample(spark, "test", 5_000);
      double[] mean = mean(train);
      for (int depth : new int[] {1, 4}) {
        int codes = depth == 1 ? 512 : 256;
        VectorQuantization estimator =
            new VectorQuantization()
                .setQuantizerType(depth == 1 ? "vq" : "rvq")
                .setCodebookSize(codes)
                .setBottleneckDim(KEPT);
        VectorQuantizationModel model = estimator.fit(train);
        double ours = error(model, test, mean);
        double theirs = byHand(train, test, mean, codes, depth);
        System.out.printf(
            Locale.ROOT,
            "%d x %d codes, %.0f bits: normalised error %.4f, MLlib's PCA and k-means %.4f, ratio %.4f%n",
            depth,
            codes,
            model.bitsPerVector(),
            ours,
            theirs,
            ours / theirs);
      }
    }
  }

  private static double[] mean(Dataset<Row> rows) {
    List<Row> all = rows.collectAsList();
    double[] mean = new double[WIDTH];
    for (Row row : all) {
      double[] x = ((Vector) row.get(0)).toArray();
      for (int j = 0; j < WIDTH; j++) {
        mean[j] += x[j] / all.size();
      }
    }
    return mean;
  }

  /** Squared error over the squared distance to the mean. */
  private static double error(VectorQuantizationModel model, Dataset<Row> test, double[] mean) {
    double lost = 0;
    double all = 0;
    for (Row row : model.setReconstructionCol("decoded").transform(test).collectAsList()) {
      double[] x = ((Vector) row.get(0)).toArray();
      List<Float> decoded = row.getList(2);
      for (int j = 0; j < WIDTH; j++) {
        lost += Math.pow(x[j] - decoded.get(j), 2);
        all += Math.pow(x[j] - mean[j], 2);
      }
    }
    return lost / all;
  }

  /** Greedy residual k-means (of one level: k-means) over MLlib's principal components. */
  private static double byHand(
      Dataset<Row> train, Dataset<Row> test, double[] mean, int codes, int depth) {
    PCAModel pca = new PCA().setInputCol("features").setOutputCol("pca").setK(KEPT).fit(train);
    List<double[]> known = projected(pca, train);
    List<double[]> fresh = projected(pca, test);
    SparkSession spark = train.sparkSession();
    for (int level = 0; level < depth; level++) {
      List<Row> rows = known.stream().map(v -> RowFactory.create(Vectors.dense(v))).toList();
      KMeansModel means =
          new KMeans()
              .setK(codes)
              .setMaxIter(25)
              .setSeed(level)
              .fit(spark.createDataFrame(rows, SCHEMA).cache());
      for (List<double[]> vectors : List.of(known, fresh)) {
        for (double[] v : vectors) {
          double[] centre = means.clusterCenters()[means.predict(Vectors.dense(v))].toArray();
          for (int j = 0; j < KEPT; j++) {
            v[j] -= centre[j];
          }
        }
      }
    }
    // What the components leave out, and what the codes leave of the components.
    double lost = 0;
    double all = 0;
    List<Row> rows = test.collectAsList();
    for (Row row : rows) {
      double[] x = ((Vector) row.get(0)).toArray();
      for (int j = 0; j < WIDTH; j++) {
        all += Math.pow(x[j] - mean[j], 2);
      }
    }
    double within = 0;
    double[] centre = pca.pc().transpose().multiply(Vectors.dense(mean)).toArray();
    for (double[] v : projected(pca, test)) {
      for (int j = 0; j < KEPT; j++) {
        within += Math.pow(v[j] - centre[j], 2);
      }
    }
    for (double[] v : fresh) {
      for (int j = 0; j < KEPT; j++) {
        lost += v[j] * v[j];
      }
    }
    return (all - within + lost) / all;
  }

  private static List<double[]> projected(PCAModel pca, Dataset<Row> rows) {
    return pca.transform(rows).select("pca").collectAsList().stream()
        .map(row -> ((Vector) row.get(0)).toArray().clone())
        .toList();
  }
}
