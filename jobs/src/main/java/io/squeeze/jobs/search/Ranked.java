package io.squeeze.jobs.search;

import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.dense_rank;

import io.squeeze.jobs.publish.Columns;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.expressions.Window;
import org.apache.spark.sql.types.DataTypes;

/**
 * Ranks what was found for each query: by distance, then by sample_id and position. If a query was
 * asked twice, each answer is there twice, with the same rank.
 */
final class Ranked {
  private Ranked() {}

  /** The first {@code k} of each query, with their rank from 1. */
  static Dataset<Row> first(Dataset<Row> found, int k) {
    return found
        .withColumn(
            Columns.RANK,
            dense_rank()
                .over(
                    Window.partitionBy(Columns.QUERY_ID, Queries.KEY)
                        .orderBy(Columns.DISTANCE, Columns.SAMPLE_ID, Columns.POSITION)))
        .where(col(Columns.RANK).leq(k));
  }

  /** The columns that a user sees. */
  static Dataset<Row> shown(Dataset<Row> ranked) {
    return ranked.select(
        col(Columns.QUERY_ID).cast(DataTypes.StringType).as(Columns.QUERY_ID),
        col(Columns.RANK),
        col(Columns.SAMPLE_ID),
        col(Columns.POSITION),
        col(Columns.DISTANCE));
  }
}
