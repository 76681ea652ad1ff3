package io.squeeze.report;

import java.awt.Color;
import java.awt.Font;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import org.knowm.xchart.BitmapEncoder;
import org.knowm.xchart.BitmapEncoder.BitmapFormat;
import org.knowm.xchart.CategoryChart;
import org.knowm.xchart.CategoryChartBuilder;
import org.knowm.xchart.VectorGraphicsEncoder;
import org.knowm.xchart.VectorGraphicsEncoder.VectorGraphicsFormat;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYChartBuilder;
import org.knowm.xchart.XYSeries;
import org.knowm.xchart.style.AxesChartStyler;
import org.knowm.xchart.style.Styler.LegendLayout;
import org.knowm.xchart.style.Styler.LegendPosition;
import org.knowm.xchart.style.lines.SeriesLines;
import org.knowm.xchart.style.markers.SeriesMarkers;

/** A plot, as PNG or SVG. */
public final class Chart {
  static final Color[] COLOURS = {
    new Color(0x3E7CB1), new Color(0xE4572E), new Color(0x2A9D8F), new Color(0x8E5EA2),
    new Color(0xC98B1B), new Color(0x5F6B76), new Color(0xB5446E), new Color(0x4F7942)
  };
  private static final Color GREY = new Color(0xA3B1BF);
  private static final Pattern LONG = Pattern.compile("(\\.[0-9]{2})[0-9]+");
  private static final int MOST_POINTS = 512;
  private static final int WIDTH = 760;
  private static final int HEIGHT = 380;

  private final String title;
  private final org.knowm.xchart.internal.chartpart.Chart<?, ?> drawn;

  Chart(String title, org.knowm.xchart.internal.chartpart.Chart<?, ?> drawn) {
    this.title = title;
    this.drawn = drawn;
  }

  /**
   * Lines over epochs, counted from 1.
   *
   * @param series values by name; NaN where there is none
   */
  public static Chart curves(String title, String quantity, Map<String, double[]> series) {
    XYChart chart =
        new XYChartBuilder()
            .width(series.size() > 4 ? 2 * WIDTH : WIDTH)
            .height(HEIGHT)
            .title(title)
            .xAxisTitle("epoch")
            .yAxisTitle(quantity)
            .build();
    style(chart.getStyler());
    chart.getStyler().setXAxisDecimalPattern("0").setYAxisDecimalPattern("#,##0.####");
    if (series.size() > 4) {
      chart.getStyler().setLegendPosition(LegendPosition.OutsideE);
      chart.getStyler().setLegendLayout(LegendLayout.Vertical);
    }
    int longest = series.values().stream().mapToInt(v -> v.length).max().orElse(1);
    // Ticks at whole epochs, which a few epochs would not fill.
    chart.getStyler().setXAxisTickMarkSpacingHint(Math.max(40, WIDTH / Math.max(2, longest)));
    int colour = 0;
    for (Map.Entry<String, double[]> entry : series.entrySet()) {
      double[] epochs =
          IntStream.rangeClosed(1, entry.getValue().length).asDoubleStream().toArray();
      // What is infinite cannot be drawn; what is not known is a gap.
      double[] values =
          Arrays.stream(entry.getValue()).map(v -> Double.isFinite(v) ? v : Double.NaN).toArray();
      XYSeries line = chart.addSeries(entry.getKey(), epochs, values);
      line.setLineColor(COLOURS[colour % COLOURS.length]);
      line.setLineStyle(colour < COLOURS.length ? SeriesLines.SOLID : SeriesLines.DASH_DASH);
      line.setMarkerColor(COLOURS[colour++ % COLOURS.length]);
      line.setMarker(longest > 40 ? SeriesMarkers.NONE : SeriesMarkers.CIRCLE);
    }
    return new Chart(title, chart);
  }

  /**
   * Bars of named things.
   *
   * @param axis title of the axis with the names; may be empty
   * @param names of the bars
   * @param series by colour, a value for every name (null: none); if there are several series, the
   *     last one is the reference, in grey
   */
  public static Chart bars(
      String title,
      String axis,
      String quantity,
      List<String> names,
      Map<String, List<Double>> series) {
    int longest = names.stream().mapToInt(String::length).max().orElse(0);
    CategoryChart chart =
        new CategoryChartBuilder()
            .width(Math.max(WIDTH, 26 * names.size()))
            .height(HEIGHT + (names.size() > 8 ? 5 * longest : 0))
            .title(title)
            .xAxisTitle(axis)
            .yAxisTitle(quantity)
            .build();
    style(chart.getStyler());
    chart.getStyler().setXAxisTitleVisible(!axis.isEmpty());
    chart.getStyler().setAvailableSpaceFill(0.8);
    if (names.size() > 8) {
      chart.getStyler().setXAxisLabelRotation(60);
    }
    int colour = 0;
    for (Map.Entry<String, List<Double>> entry : series.entrySet()) {
      boolean reference = colour > 0 && colour == series.size() - 1;
      chart
          .addSeries(entry.getKey(), names, entry.getValue())
          .setFillColor(reference ? GREY : COLOURS[colour % COLOURS.length]);
      colour++;
    }
    return new Chart(title, chart);
  }

  /**
   * How often each code occurs, the most frequent first.
   *
   * @param levels counts of the codes of each level
   */
  public static Chart usage(String title, List<long[]> levels) {
    XYChart chart =
        new XYChartBuilder()
            .width(WIDTH)
            .height(HEIGHT)
            .title(title)
            .xAxisTitle("code, by frequency")
            .yAxisTitle("share of the vectors")
            .build();
    style(chart.getStyler());
    chart.getStyler().setXAxisDecimalPattern("0").setYAxisDecimalPattern("0.####");
    chart.getStyler().setXAxisTickMarkSpacingHint(80);
    for (int level = 0; level < levels.size(); level++) {
      long[] counts = levels.get(level).clone();
      Arrays.sort(counts);
      double sum = Math.max(1, Arrays.stream(counts).asDoubleStream().sum());
      int codes = counts.length;
      // Of many codes a point for every few.
      int every = (codes + MOST_POINTS - 1) / MOST_POINTS;
      int[] shown = IntStream.range(0, codes).filter(i -> i % every == 0).toArray();
      double[] ranks = Arrays.stream(shown).mapToDouble(i -> i + 1).toArray();
      double[] shares =
          Arrays.stream(shown).mapToDouble(i -> counts[codes - 1 - i] / sum).toArray();
      String name = levels.size() == 1 ? "codes" : "level " + level;
      XYSeries line = chart.addSeries(name, ranks, shares);
      line.setMarker(SeriesMarkers.NONE);
      line.setLineColor(COLOURS[level % COLOURS.length]);
    }
    return new Chart(title, chart);
  }

  /** Points of a colour of their own. */
  static void dots(XYSeries series, int colour) {
    series.setMarker(SeriesMarkers.CIRCLE);
    series.setLineColor(COLOURS[colour % COLOURS.length]);
    series.setMarkerColor(COLOURS[colour % COLOURS.length]);
  }

  /** An axis of numbers that differ by factors, with ticks between the powers of ten. */
  static void logarithmicX(AxesChartStyler style, String pattern) {
    style.setXAxisLogarithmic(true);
    style.setXAxisLogarithmicDecadeOnly(false);
    style.setXAxisDecimalPattern(pattern);
  }

  static void style(AxesChartStyler style) {
    style.setChartBackgroundColor(Color.WHITE);
    style.setPlotBorderVisible(false);
    style.setPlotGridLinesColor(new Color(0xE4E7EB));
    style.setLegendPosition(LegendPosition.OutsideS);
    style.setLegendLayout(LegendLayout.Horizontal);
    style.setLegendBorderColor(Color.WHITE);
    style.setChartTitleFont(new Font(Font.SANS_SERIF, Font.BOLD, 15));
    style.setAxisTitleFont(new Font(Font.SANS_SERIF, Font.PLAIN, 13));
    style.setAxisTickLabelsFont(new Font(Font.SANS_SERIF, Font.PLAIN, 12));
    style.setLegendFont(new Font(Font.SANS_SERIF, Font.PLAIN, 13));
    style.setLocale(Locale.ROOT);
  }

  /** What stands above it. */
  public String title() {
    return title;
  }

  /** Writes it as PNG. */
  public void png(OutputStream out) throws IOException {
    BitmapEncoder.saveBitmap(drawn, out, BitmapFormat.PNG);
  }

  /** Writes it as SVG. */
  public void svg(OutputStream out) throws IOException {
    out.write(svg());
  }

  /** Letters are drawn as paths, so that they look alike everywhere; to a hundredth of a pixel. */
  byte[] svg() {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    try {
      VectorGraphicsEncoder.saveVectorGraphic(drawn, out, VectorGraphicsFormat.SVG);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    String exact = out.toString(StandardCharsets.UTF_8);
    return LONG.matcher(exact).replaceAll("$1").getBytes(StandardCharsets.UTF_8);
  }
}
