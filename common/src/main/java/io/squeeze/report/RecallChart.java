package io.squeeze.report;

import java.util.List;
import org.knowm.xchart.AnnotationText;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYChartBuilder;
import org.knowm.xchart.XYSeries;

/** What a search finds against what it reads. */
public final class RecallChart {
  /** Space for a label between the points. */
  private static final double ABOVE = 0.015;

  private RecallChart() {}

  /**
   * One number of lists.
   *
   * @param probes lists that are read for a query
   * @param share of the vectors that they hold, 0 to 1
   * @param recall share of the neighbours that are found
   */
  public record Point(int probes, double share, double recall) {}

  /** Draws the points, which are labelled by their number of lists; at least one. */
  public static Chart of(String title, List<Point> points) {
    XYChart chart =
        new XYChartBuilder()
            .width(760)
            .height(420)
            .title(title)
            .xAxisTitle("share of the vectors that a query reads, % (logarithmic)")
            .yAxisTitle("recall@10")
            .build();
    var style = chart.getStyler();
    Chart.style(style);
    Chart.logarithmicX(style, "#,##0.##");
    style.setYAxisDecimalPattern("0.00");
    style.setLegendVisible(false);
    style.setYAxisMax(1 + 3 * ABOVE);
    XYSeries line =
        chart.addSeries(
            "recall@10",
            points.stream().mapToDouble(point -> 100 * point.share()).toArray(),
            points.stream().mapToDouble(Point::recall).toArray());
    Chart.dots(line, 0);
    for (Point point : points) {
      String label = Integer.toString(point.probes());
      chart.addAnnotation(
          new AnnotationText(label, 100 * point.share(), point.recall() + ABOVE, false));
    }
    return new Chart(title, chart);
  }
}
