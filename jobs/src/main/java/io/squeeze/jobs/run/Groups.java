package io.squeeze.jobs.run;

import static org.apache.spark.sql.functions.avg;
import static org.apache.spark.sql.functions.coalesce;
import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.concat;
import static org.apache.spark.sql.functions.count;
import static org.apache.spark.sql.functions.floor;
import static org.apache.spark.sql.functions.least;
import static org.apache.spark.sql.functions.lit;
import static org.apache.spark.sql.functions.when;

import io.squeeze.dataset.SegmentationDataset;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;

/** The results of groups of samples: breeds, species, photos in which the pet is small. */
public final class Groups {
  /** The file beside the table. */
  public static final String NAME = "groups.csv";

  /**
   * Column with the share of the photo that the subject takes, in tenths. The subject is the first
   * class that is not the background.
   */
  public static final String SIZE = "subject_size";

  /** A column with more values than this names samples, not groups. */
  private static final int MOST = 1000;

  private Groups() {}

  /**
   * A group.
   *
   * @param by column that the samples have in common
   * @param name its value; empty where it is not known
   * @param iou mean of the samples' own; null where none has one
   * @param baselineIou null without a baseline
   */
  public record Group(
      String by, String name, long samples, Double iou, Double baselineIou, Double difference) {
    private String csv() {
      String quoted = '"' + name.replace("\"", "\"\"") + '"';
      return String.join(
          ",", by, quoted, Long.toString(samples), text(iou), text(baselineIou), text(difference));
    }

    private static String text(Double value) {
      return value == null ? "" : value.toString();
    }
  }

  /**
   * The groups of a table.
   *
   * @param table of {@link SampleTable}
   * @param described the data set's own columns
   */
  public static List<Group> of(Dataset<Row> table, List<SegmentationDataset.Column> described) {
    Map<String, Column> groupings = new LinkedHashMap<>();
    for (SegmentationDataset.Column column : described) {
      if (column.type() == SegmentationDataset.Column.Type.STRING) {
        groupings.put(column.name(), coalesce(col(column.name()), lit("")));
      }
    }
    Column tenth = least(floor(col(SampleTable.SUBJECT).multiply(10)), lit(9));
    Column size = concat(tenth.multiply(10), lit("-"), tenth.plus(1).multiply(10), lit(" %"));
    groupings.put(SIZE, when(col(SampleTable.SUBJECT).isNull(), "").otherwise(size));
    List<Group> groups = new ArrayList<>();
    groupings.forEach((by, value) -> groups.addAll(of(table, by, value)));
    return groups;
  }

  private static List<Group> of(Dataset<Row> table, String by, Column value) {
    List<Row> rows =
        table
            .groupBy(value.as("name"))
            .agg(
                count(lit(1)),
                mean(SampleTable.IOU),
                mean(SampleTable.BASELINE_IOU),
                mean(SampleTable.DIFFERENCE))
            .orderBy("name")
            .limit(MOST + 1)
            .collectAsList();
    if (rows.size() > MOST) {
      return List.of();
    }
    return rows.stream()
        .map(
            row ->
                new Group(
                    by, row.getString(0), row.getLong(1), row.getAs(2), row.getAs(3), row.getAs(4)))
        .toList();
  }

  /** As decimals, whose sum no order of adding changes. */
  static Column mean(String column) {
    return avg(col(column).cast("decimal(38,15)")).cast("double");
  }

  public static String csv(List<Group> groups) {
    StringBuilder csv = new StringBuilder("by,name,samples,iou,baseline_iou,iou_difference\n");
    groups.forEach(group -> csv.append(group.csv()).append('\n'));
    return csv.toString();
  }
}
