package io.squeeze.jobs.visualize;

import static org.apache.spark.sql.functions.col;

import io.squeeze.config.Settings;
import io.squeeze.config.VisualizeSettings;
import io.squeeze.jobs.model.SampleDrawing;
import io.squeeze.jobs.publish.Columns;
import io.squeeze.jobs.run.SampleTable;
import java.util.ArrayList;
import java.util.List;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Encoders;
import org.apache.spark.sql.Row;

/**
 * Samples that are worth a look, ranked on the executors.
 *
 * @param name for the picture's file
 * @param title above it
 * @param asked samples
 * @param ids of those there are, in order
 */
record Choice(String name, String title, int asked, List<String> ids) {

  /** The best, the worst, those that lost most against a baseline, some by seed. */
  static List<Choice> of(Dataset<Row> table, Settings settings, boolean baseline) {
    VisualizeSettings v = settings.visualize();
    List<Choice> choices = new ArrayList<>();
    Column iou = col(SampleTable.IOU);
    Dataset<Row> known = table.where(iou.isNotNull());
    choices.add(of("best", "Best", v.best(), v.maxRows(), known, iou.desc()));
    choices.add(of("worst", "Worst", v.worst(), v.maxRows(), known, iou.asc()));
    if (baseline) {
      Column lost = col(SampleTable.DIFFERENCE);
      Dataset<Row> compared = table.where(lost.isNotNull());
      choices.add(of("changed", "Lost most", v.changed(), v.maxRows(), compared, lost.asc()));
    }
    List<String> drawn =
        SampleDrawing.drawn(table, settings.seed(), Math.min(v.random(), v.maxRows()));
    choices.add(new Choice("random", "Random", v.random(), drawn));
    return choices;
  }

  private static Choice of(
      String name, String title, int asked, int most, Dataset<Row> table, Column order) {
    List<String> ids =
        table
            .orderBy(order, col(Columns.SAMPLE_ID))
            .limit(Math.min(asked, most))
            .select(Columns.SAMPLE_ID)
            .as(Encoders.STRING())
            .collectAsList();
    return new Choice(name, title, asked, ids);
  }
}
