package io.squeeze.jobs.run;

import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.collect_list;
import static org.apache.spark.sql.functions.floor;
import static org.apache.spark.sql.functions.lit;
import static org.apache.spark.sql.functions.min;
import static org.apache.spark.sql.functions.posexplode;
import static org.apache.spark.sql.functions.sort_array;
import static org.apache.spark.sql.functions.struct;
import static org.apache.spark.sql.functions.sum;
import static org.apache.spark.sql.functions.udf;
import static org.apache.spark.sql.functions.when;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.annotation.JsonPropertyOrder;
import io.squeeze.jobs.publish.SplitAssigner;
import io.squeeze.jobs.spark.ScalaLists;
import io.squeeze.metric.ConfusionMatrix;
import java.util.List;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.api.java.UDF1;
import org.apache.spark.sql.expressions.UserDefinedFunction;
import org.apache.spark.sql.types.DataTypes;

/**
 * IoU as the Python project counts it, for a comparison with its numbers and for nothing else.
 *
 * @param batchMeanIou mean over batches in the order of the list, weighted by their samples; null
 *     where the samples are no whole stretch of a list
 * @param sampleIou mean over samples, a class that is absent from both counted as 0
 */
@JsonInclude(JsonInclude.Include.ALWAYS)
@JsonPropertyOrder({"batch_size", "batch_mean_iou", "sample_iou", "note"})
public record ReferenceMetrics(
    String note,
    @JsonProperty("batch_size") int batchSize,
    @JsonProperty("batch_mean_iou") Double batchMeanIou,
    @JsonProperty("sample_iou") Double sampleIou) {
  private static final String NOTE =
      "for comparison with the Python project alone: means over batches, absent classes as 0";

  /**
   * Of a table of samples.
   *
   * @param column of confusion matrices
   * @param stretch whether the rows are a whole stretch of a list
   */
  public static ReferenceMetrics of(
      Dataset<Row> table, String column, int classes, int batchSize, boolean stretch) {
    Double batches = null;
    if (stretch) {
      Row first = table.agg(min(SplitAssigner.POSITION)).head();
      Column batch =
          floor(col(SplitAssigner.POSITION).minus(lit(first.getLong(0))).divide(batchSize));
      Dataset<Row> pooled =
          table
              .select(batch.as("batch"), posexplode(col(column)))
              .groupBy("batch", "pos")
              .agg(sum("col").as("count"))
              .groupBy("batch")
              .agg(sort_array(collect_list(struct("pos", "count"))).getField("count").as(column));
      Dataset<Row> sizes = table.groupBy(batch.as("batch")).count();
      batches =
          mean(pooled.join(sizes, "batch"), iou(classes, false).apply(col(column)), col("count"));
    }
    Double samples = mean(table, iou(classes, true).apply(col(column)), lit(1L));
    return new ReferenceMetrics(NOTE, batchSize, batches, samples);
  }

  /** As decimals, whose sum no order of adding changes. */
  private static Double mean(Dataset<Row> rows, Column value, Column weight) {
    Column exact = value.cast("decimal(20,15)").multiply(weight);
    Row sums =
        rows.agg(sum(exact).cast("double"), sum(when(value.isNotNull(), weight)))
            .collectAsList()
            .get(0);
    return sums.isNullAt(0) ? null : sums.getDouble(0) / sums.getLong(1);
  }

  private static UserDefinedFunction iou(int classes, boolean absentIsZero) {
    UDF1<scala.collection.Seq<Long>, Double> iou =
        counts -> {
          long[] own = new long[classes * classes];
          List<Long> all = ScalaLists.of(counts);
          for (int i = 0; i < own.length; i++) {
            own[i] = all.get(i);
          }
          ConfusionMatrix matrix = new ConfusionMatrix(classes, own);
          if (!absentIsZero) {
            return Double.isNaN(matrix.meanIou()) ? null : matrix.meanIou();
          }
          double sum = 0;
          for (int k = 0; k < classes; k++) {
            sum += matrix.iou(k).orElse(0);
          }
          return sum / classes;
        };
    return udf(iou, DataTypes.DoubleType);
  }
}
