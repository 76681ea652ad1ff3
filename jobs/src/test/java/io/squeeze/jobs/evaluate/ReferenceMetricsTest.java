package io.squeeze.jobs.evaluate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.squeeze.golden.Golden;
import io.squeeze.jobs.Shared;
import io.squeeze.jobs.publish.SplitAssigner;
import io.squeeze.jobs.run.ReferenceMetrics;
import io.squeeze.metric.ConfusionMatrix;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.ArrayType;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructField;
import org.apache.spark.sql.types.StructType;
import org.junit.jupiter.api.Test;

/** Numbers that torchmetrics and the Python project gave: see the goldens' README. */
class ReferenceMetricsTest {
  private final SparkSession spark = Shared.session();
  private static final Golden GOLDEN = new Golden("metrics");

  private static Dataset<Row> table(SparkSession spark, String target, int classes) {
    byte[] truth = GOLDEN.bytes(target);
    byte[] prediction = GOLDEN.bytes("pred");
    int pixels = truth.length / 5;
    List<Row> rows = new ArrayList<>();
    for (int i = 0; i < 5; i++) {
      byte[] t = Arrays.copyOfRange(truth, i * pixels, (i + 1) * pixels);
      byte[] p = Arrays.copyOfRange(prediction, i * pixels, (i + 1) * pixels);
      // A list's stretch may begin anywhere.
      rows.add(RowFactory.create(7L + i, ConfusionMatrix.of(classes, t, p).counts()));
    }
    StructType schema =
        new StructType(
            new StructField[] {
              DataTypes.createStructField(SplitAssigner.POSITION, DataTypes.LongType, false),
              DataTypes.createStructField(
                  "confusion", new ArrayType(DataTypes.LongType, false), false)
            });
    return spark.createDataFrame(rows, schema).repartition(3);
  }

  @Test
  void batchMeansAndSampleMeansAreThoseOfThePythonProject() {
    Dataset<Row> whole = table(spark, "target_no255", 21);
    ReferenceMetrics batches = ReferenceMetrics.of(whole, "confusion", 21, 2, true);
    assertThat(batches.batchMeanIou())
        .isCloseTo(GOLDEN.doubles("torchmetrics_iou_logged_epoch_value")[0], within(1e-6));
    ReferenceMetrics samples =
        ReferenceMetrics.of(table(spark, "target", 21), "confusion", 21, 2, false);
    double mean = Arrays.stream(GOLDEN.doubles("sample_iou_nc21")).average().orElseThrow();
    assertThat(samples.sampleIou()).isCloseTo(mean, within(1e-9));
    assertThat(samples.batchMeanIou()).isNull();
  }
}
