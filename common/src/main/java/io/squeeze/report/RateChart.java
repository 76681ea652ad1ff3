package io.squeeze.report;

import java.awt.Color;
import java.awt.Font;
import java.io.IOException;
import java.io.OutputStream;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.knowm.xchart.AnnotationText;
import org.knowm.xchart.BitmapEncoder;
import org.knowm.xchart.BitmapEncoder.BitmapFormat;
import org.knowm.xchart.VectorGraphicsEncoder;
import org.knowm.xchart.VectorGraphicsEncoder.VectorGraphicsFormat;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYChartBuilder;
import org.knowm.xchart.XYSeries;
import org.knowm.xchart.XYSeries.XYSeriesRenderStyle;
import org.knowm.xchart.style.Styler.LegendLayout;
import org.knowm.xchart.style.Styler.LegendPosition;
import org.knowm.xchart.style.markers.SeriesMarkers;

/** Rate against distortion: bits of a vector against the mean IoU that is left. */
public final class RateChart {
  private static final int LABELS = 24;
  private static final Color[] COLOURS = {
    new Color(0x3E7CB1), new Color(0xE4572E), new Color(0x2A9D8F), new Color(0x8E5EA2),
    new Color(0xC98B1B), new Color(0x5F6B76), new Color(0xB5446E), new Color(0x4F7942)
  };

  private final String title;
  private final String quality;

  /** A chart under a title. */
  public RateChart(String title, String quality) {
    this.title = title;
    this.quality = quality;
  }

  /**
   * One configuration.
   *
   * @param group points of a group have one colour
   * @param deviation of the quality between seeds; 0 where it is not known
   * @param front whether no other is better in one and not worse in the other
   */
  public record Point(
      String label, String group, double bits, double quality, double deviation, boolean front) {}

  /** Writes the picture as PNG; at least one point. */
  public void png(List<Point> points, OutputStream out) throws IOException {
    BitmapEncoder.saveBitmap(chart(points), out, BitmapFormat.PNG);
  }

  /** Writes the picture as SVG; at least one point. */
  public void svg(List<Point> points, OutputStream out) throws IOException {
    VectorGraphicsEncoder.saveVectorGraphic(chart(points), out, VectorGraphicsFormat.SVG);
  }

  private XYChart chart(List<Point> points) {
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
    Map<String, List<Point>> groups = new LinkedHashMap<>();
    points.forEach(p -> groups.computeIfAbsent(p.group(), g -> new ArrayList<>()).add(p));
    int colour = 0;
    for (Map.Entry<String, List<Point>> group : groups.entrySet()) {
      List<Point> own = group.getValue();
      double[] errors = own.stream().mapToDouble(Point::deviation).toArray();
      XYSeries series = chart.addSeries(group.getKey(), xs(own), ys(own), errors);
      series.setXYSeriesRenderStyle(XYSeriesRenderStyle.Scatter);
      series.setMarker(SeriesMarkers.CIRCLE);
      series.setLineColor(COLOURS[colour % COLOURS.length]);
      series.setMarkerColor(COLOURS[colour++ % COLOURS.length]);
    }
    label(chart, points);
    return chart;
  }

  private static void style(XYChart chart, List<Point> points) {
    var style = chart.getStyler();
    style.setChartBackgroundColor(Color.WHITE);
    style.setPlotBorderVisible(false);
    style.setPlotGridLinesColor(new Color(0xE4E7EB));
    style.setLegendPosition(LegendPosition.OutsideS);
    style.setLegendLayout(LegendLayout.Horizontal);
    style.setLegendBorderColor(Color.WHITE);
    style.setMarkerSize(9);
    style.setErrorBarsColorSeriesColor(true);
    style.setXAxisLogarithmic(true);
    style.setXAxisDecimalPattern("#,###.#");
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
