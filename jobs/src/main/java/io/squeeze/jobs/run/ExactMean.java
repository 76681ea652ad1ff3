package io.squeeze.jobs.run;

import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.count;
import static org.apache.spark.sql.functions.lit;
import static org.apache.spark.sql.functions.max;
import static org.apache.spark.sql.functions.rint;
import static org.apache.spark.sql.functions.sum;

import java.math.BigDecimal;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;

/**
 * The mean of doubles of any magnitude that are not negative, which no order of adding changes:
 * they are rounded to whole numbers of 60 bits below the largest of them, and those are added.
 */
public final class ExactMean {
  private static final int BITS = 60;

  private ExactMean() {}

  /** The mean of a column; NaN of no rows. */
  public static double of(Dataset<Row> rows, String column) {
    Row largest = rows.agg(max(col(column))).head();
    if (largest.isNullAt(0)) {
      return Double.NaN;
    }
    double most = largest.getDouble(0);
    if (most == 0 || !Double.isFinite(most)) {
      return most;
    }
    // 2^-k is no double for k above 1022: two factors.
    int shift = BITS - 1 - Math.getExponent(most);
    double half = Math.scalb(1.0, shift / 2);
    double rest = Math.scalb(1.0, shift - shift / 2);
    Row found =
        rows.agg(
                sum(
                    rint(col(column).multiply(lit(half)).multiply(lit(rest)))
                        .cast("decimal(20,0)")),
                count(lit(1)))
            .head();
    double whole = found.<BigDecimal>getAs(0).doubleValue() / found.getLong(1);
    return whole / half / rest;
  }
}
