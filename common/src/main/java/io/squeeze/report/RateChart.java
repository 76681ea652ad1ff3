package io.squeeze.report;

import java.awt.Color;
import java.awt.Font;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.knowm.xchart.AnnotationText;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYChartBuilder;
import org.knowm.xchart.XYSeries;
import org.knowm.xchart.XYSeries.XYSeriesRenderStyle;
import org.knowm.xchart.style.markers.SeriesMarkers;

/** Rate against distortion: the size of a vector against the quality that is left, or the error. */
public final class RateChart {
  private static final int LABELS = 24;

  /** From this ratio on, an axis has room for powers of ten alone. */
  private static final double DECADES = 50;

  private RateChart() {}

  /**
   * One configuration.
   *
   * @param group points of a group have one colour
   * @param deviation of the quality between seeds; 0 where it is not known
   * @param front whether it is on the Pareto front: no other point is better in one quantity and
   *     not worse in the other
   */
  public record Point(
      String label, String group, double bits, double quality, double deviation, boolean front) {}

  /** Draws the points; at least one. */
  public static Chart of(String title, String quality, List<Point> points) {
    XYChart chart =
        new XYChartBuilder()
            .width(1000)
            .height(640)
            .title(title)
            .xAxisTitle("bits a vector (logarithmic)")
            .yAxisTitle(quality)
            .build();
    style(chart, points);
    List<Point> front =
        points.stream().filter(Point::front).sorted(Comparator.comparing(Point::bits)).toList();
    XYSeries line = chart.addSeries("Pareto front", xs(front), ys(front));
    line.setLineColor(new Color(0xB8C2CC));
    line.setMarker(SeriesMarkers.NONE);
    int colour = 0;
    for (Map.Entry<String, List<Point>> group : groups(points).entrySet()) {
      List<Point> own = group.getValue();
      double[] errors = own.stream().mapToDouble(Point::deviation).toArray();
      XYSeries series = chart.addSeries(group.getKey(), xs(own), ys(own), errors);
      series.setXYSeriesRenderStyle(XYSeriesRenderStyle.Scatter);
      Chart.dots(series, colour++);
    }
    label(chart, points);
    return new Chart(title, chart);
  }

  /**
   * Draws the points of errors, where both axes are logarithmic and a line joins those of a group;
   * points whose error is 0 are left out, and one at least is not.
   */
  public static Chart ofErrors(String title, String error, List<Point> points) {
    XYChart chart =
        new XYChartBuilder()
            .width(760)
            .height(480)
            .title(title)
            .xAxisTitle("bytes a vector (logarithmic)")
            .yAxisTitle(error + " (logarithmic)")
            .build();
    var style = chart.getStyler();
    Chart.style(style);
    Chart.logarithmicX(style, "#,##0.##");
    style.setYAxisLogarithmic(true);
    double low = points.stream().mapToDouble(Point::quality).filter(q -> q > 0).min().orElse(1);
    double high = points.stream().mapToDouble(Point::quality).max().orElse(1);
    style.setYAxisLogarithmicDecadeOnly(high > DECADES * low);
    style.setYAxisDecimalPattern("0.######");
    int colour = 0;
    for (Map.Entry<String, List<Point>> group : groups(points).entrySet()) {
      List<Point> own =
          group.getValue().stream()
              .filter(point -> point.quality() > 0)
              .sorted(Comparator.comparing(Point::bits))
              .toList();
      if (own.isEmpty()) {
        continue;
      }
      double[] bytes = own.stream().mapToDouble(point -> point.bits() / 8).toArray();
      XYSeries line = chart.addSeries(group.getKey(), bytes, ys(own));
      Chart.dots(line, colour++);
    }
    return new Chart(title, chart);
  }

  private static Map<String, List<Point>> groups(List<Point> points) {
    Map<String, List<Point>> groups = new LinkedHashMap<>();
    points.forEach(p -> groups.computeIfAbsent(p.group(), g -> new ArrayList<>()).add(p));
    return groups;
  }

  private static void style(XYChart chart, List<Point> points) {
    var style = chart.getStyler();
    Chart.style(style);
    style.setMarkerSize(9);
    style.setErrorBarsColorSeriesColor(true);
    Chart.logarithmicX(style, "#,###.#");
    style.setYAxisDecimalPattern("0.000");
    style.setAnnotationTextFont(new Font(Font.SANS_SERIF, Font.PLAIN, 11));
    double low = points.stream().mapToDouble(Point::bits).min().orElseThrow();
    double high = points.stream().mapToDouble(Point::bits).max().orElseThrow();
    style.setXAxisMin(low / 1.6);
    style.setXAxisMax(high * 1.6);
  }

  /** Names the points: all of a few, those of the front of many. */
  private static void label(XYChart chart, List<Point> points) {
    double low = points.stream().mapToDouble(p -> p.quality() - p.deviation()).min().orElseThrow();
    double high = points.stream().mapToDouble(p -> p.quality() + p.deviation()).max().orElseThrow();
    double up = Math.max(1e-4, (high - low) / 35);
    for (Point point : points) {
      if (point.front() || points.size() <= LABELS) {
        chart.addAnnotation(
            new AnnotationText(point.label(), point.bits(), point.quality() + up, false));
      }
    }
  }

  private static double[] xs(List<Point> points) {
    return points.stream().mapToDouble(Point::bits).toArray();
  }

  private static double[] ys(List<Point> points) {
    return points.stream().mapToDouble(Point::quality).toArray();
  }
}
