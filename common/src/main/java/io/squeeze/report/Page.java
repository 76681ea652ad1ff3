package io.squeeze.report;

import static j2html.TagCreator.a;
import static j2html.TagCreator.body;
import static j2html.TagCreator.button;
import static j2html.TagCreator.dd;
import static j2html.TagCreator.div;
import static j2html.TagCreator.dl;
import static j2html.TagCreator.document;
import static j2html.TagCreator.dt;
import static j2html.TagCreator.each;
import static j2html.TagCreator.figcaption;
import static j2html.TagCreator.figure;
import static j2html.TagCreator.h1;
import static j2html.TagCreator.h2;
import static j2html.TagCreator.head;
import static j2html.TagCreator.header;
import static j2html.TagCreator.html;
import static j2html.TagCreator.i;
import static j2html.TagCreator.img;
import static j2html.TagCreator.input;
import static j2html.TagCreator.link;
import static j2html.TagCreator.main;
import static j2html.TagCreator.meta;
import static j2html.TagCreator.p;
import static j2html.TagCreator.pre;
import static j2html.TagCreator.rawHtml;
import static j2html.TagCreator.script;
import static j2html.TagCreator.span;
import static j2html.TagCreator.style;
import static j2html.TagCreator.tbody;
import static j2html.TagCreator.td;
import static j2html.TagCreator.th;
import static j2html.TagCreator.thead;
import static j2html.TagCreator.title;
import static j2html.TagCreator.tr;

import io.squeeze.image.Mask;
import j2html.TagCreator;
import j2html.tags.DomContent;
import j2html.tags.specialized.DlTag;
import j2html.tags.specialized.SectionTag;
import j2html.tags.specialized.TdTag;
import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import javax.imageio.ImageIO;

/**
 * A report in one HTML file: plots, tables that sort and filter, pictures that open. It needs no
 * network, and its own policy forbids it any; what comes from data is escaped.
 */
public final class Page {
  private static final String POLICY =
      "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'";

  private final String name;
  private final String subtitle;
  private final DlTag headlines = dl().withClass("headlines");
  private final List<SectionTag> sections = new ArrayList<>();

  public Page(String name, String subtitle) {
    this.name = name;
    this.subtitle = subtitle;
  }

  /** A number that is read first. */
  public Page headline(String label, String value, String note) {
    headlines.with(
        div(dt(label), dd(span(value).withClass("value"), span(note).withClass("note"))));
    return this;
  }

  /** Begins a part of the page. */
  public Page section(String heading) {
    sections.add(TagCreator.section(h2(heading)));
    return this;
  }

  private Page add(DomContent content) {
    sections.get(sections.size() - 1).with(content);
    return this;
  }

  /** Text as it is. */
  public Page code(String text) {
    return add(pre(text));
  }

  /** Plots beside each other, each also to take as SVG. */
  public Page charts(List<Chart> charts) {
    return add(div(each(charts, Page::plot)).withClass("charts"));
  }

  private static DomContent plot(Chart chart) {
    String svg = data("image/svg+xml", chart.svg());
    String file = chart.title().replaceAll("\\W+", "_").toLowerCase(Locale.ROOT) + ".svg";
    return figure(
            img().withSrc(svg).withAlt(chart.title()),
            figcaption(a("SVG").withHref("#").attr("data-download", file)))
        .withClass("chart");
  }

  /**
   * A table that is sorted by a click on a column's name.
   *
   * @param rows cells are texts, numbers, booleans or null
   * @param filter whether rows can be searched
   */
  public Page table(List<String> columns, List<List<Object>> rows, boolean filter) {
    DomContent box =
        input()
            .withType("search")
            .withPlaceholder("Filter " + rows.size() + " rows")
            .attr("aria-label", "Filter the rows below");
    return add(
        div(
                filter ? box : rawHtml(""),
                div(TagCreator.table(
                        thead(tr(each(columns, c -> th(button(c))))),
                        tbody(each(rows, row -> tr(each(row, Page::cell))))))
                    .withClass("scroll"))
            .withClass("table"));
  }

  private static TdTag cell(Object value) {
    if (value instanceof Number number) {
      double exact = number.doubleValue();
      return td(shown(exact)).withClass("number").attr("data-value", Double.toString(exact));
    }
    if (value instanceof Boolean yes) {
      return td(yes ? "yes" : "").attr("data-value", yes ? "1" : "0");
    }
    return td(value == null ? "" : value.toString());
  }

  /** About five digits. */
  private static String shown(double value) {
    if (Double.isNaN(value)) {
      return "";
    }
    boolean whole = value == Math.rint(value) || Math.abs(value) >= 1e4;
    String form = whole ? "%,.0f" : Math.abs(value) >= 100 ? "%,.1f" : "%.4f";
    return String.format(Locale.ROOT, form, value);
  }

  /**
   * Samples in rows: photo, truth, masks. A click opens one, with its mask over the photo.
   *
   * @param model what the quantized model is called
   */
  public Page pictures(
      String caption,
      String model,
      List<Picture> pictures,
      List<String> classes,
      List<Integer> palette) {
    if (pictures.isEmpty()) {
      return add(p(caption + ": none"));
    }
    Paint paint = new Paint(palette);
    List<DomContent> key = new ArrayList<>();
    for (int k = 0; k < classes.size(); k++) {
      key.add(key(palette.get(k), classes.get(k)));
    }
    key.add(key(Paint.IGNORED, "not counted"));
    return add(
        figure(
                figcaption(caption).with(span(each(key, k -> k)).withClass("key")),
                each(pictures, picture -> row(picture, model, paint)))
            .withClass("pictures"));
  }

  private static DomContent key(int colour, String label) {
    String css = String.format(Locale.ROOT, "background:#%06x", colour);
    return span(i().withStyle(css).withClass("swatch"), span(label));
  }

  private static DomContent row(Picture picture, String model, Paint paint) {
    List<DomContent> tiles = new ArrayList<>();
    tiles.add(tile("photo", Paint.photo(picture), "jpeg", picture.id()));
    tiles.add(mask("ground truth", picture, picture.truth(), paint));
    if (picture.baseline() != null) {
      String label = "baseline " + iou(picture.baselineIou());
      tiles.add(mask(label, picture, picture.baseline(), paint));
    }
    tiles.add(mask(model + " " + iou(picture.quantizedIou()), picture, picture.quantized(), paint));
    return div(each(tiles, tile -> tile)).withClass("row");
  }

  private static String iou(double value) {
    return Double.isNaN(value) ? "-" : String.format(Locale.ROOT, "%.3f", value);
  }

  private static DomContent mask(String label, Picture picture, Mask mask, Paint paint) {
    return tile(label, paint.filled(mask), "png", picture.id());
  }

  private static DomContent tile(String label, BufferedImage image, String form, String id) {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try {
      ImageIO.write(image, form, bytes);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    boolean photo = form.equals("jpeg");
    return button(
            img().withSrc(data("image/" + form, bytes.toByteArray())).withAlt(label + " of " + id),
            span(photo ? id : label))
        .withClass(photo ? "tile photo" : "tile mask")
        .attr("data-label", id + ": " + label);
  }

  private static String data(String type, byte[] bytes) {
    return "data:" + type + ";base64," + Base64.getEncoder().encodeToString(bytes);
  }

  /** A list of names and values. */
  public Page facts(Map<String, String> facts) {
    DlTag list = dl().withClass("facts");
    facts.forEach((key, value) -> list.with(div(dt(key), dd(value))));
    return add(list);
  }

  /** Writes the file, in UTF-8. */
  public void write(OutputStream out) throws IOException {
    String page =
        document(
            html(
                    head(
                        meta().withCharset("utf-8"),
                        meta().attr("http-equiv", "Content-Security-Policy").withContent(POLICY),
                        meta().withName("viewport").withContent("width=device-width"),
                        link().withRel("icon").withHref("data:,"),
                        title(name),
                        style(rawHtml(resource("report.css")))),
                    body(
                        header(h1(name), p(subtitle), headlines),
                        main(each(sections, section -> section)),
                        script(rawHtml(resource("report.js")))))
                .withLang("en"));
    out.write(page.getBytes(StandardCharsets.UTF_8));
  }

  private static String resource(String file) throws IOException {
    try (InputStream in = Page.class.getResourceAsStream(file)) {
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    }
  }
}
