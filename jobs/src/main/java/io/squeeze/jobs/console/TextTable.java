package io.squeeze.jobs.console;

import java.io.PrintStream;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.types.NumericType;
import org.apache.spark.sql.types.StructField;
import org.apache.spark.sql.types.StructType;

/** Rows as a table of text, as wide as the first hundred ask for; later cells may stick out. */
public final class TextTable {
  public static final int LOOKED_AT = 100;
  private static final int WIDEST = 60;

  private final StructField[] fields;
  private final int[] widths;

  public TextTable(StructType schema) {
    this.fields = schema.fields();
    this.widths = new int[fields.length];
  }

  /** Prints the rows as they come, and their number. */
  public void print(Iterator<Row> rows, PrintStream out) {
    List<String[]> first = new ArrayList<>();
    first.add(names());
    while (rows.hasNext() && first.size() <= LOOKED_AT) {
      first.add(cells(rows.next()));
    }
    for (String[] cells : first) {
      for (int i = 0; i < cells.length; i++) {
        widths[i] = Math.max(widths[i], cells[i].length());
      }
    }
    long count = first.size() - 1L;
    for (int i = 0; i < first.size(); i++) {
      out.println(line(first.get(i)));
      if (i == 0) {
        out.println(rule());
      }
    }
    for (; rows.hasNext(); count++) {
      out.println(line(cells(rows.next())));
      if (count % LOOKED_AT == 0 && out.checkError()) {
        return;
      }
    }
    out.println(String.format(Locale.ROOT, "(%,d %s)", count, count == 1 ? "row" : "rows"));
  }

  private String[] names() {
    String[] names = new String[fields.length];
    for (int i = 0; i < names.length; i++) {
      names[i] = Printable.of(fields[i].name());
    }
    return names;
  }

  private String rule() {
    List<String> rules = new ArrayList<>();
    for (int width : widths) {
      rules.add("-".repeat(width));
    }
    return String.join("  ", rules);
  }

  private static String[] cells(Row row) {
    String[] cells = new String[row.size()];
    for (int i = 0; i < cells.length; i++) {
      String text = Printable.of(text(row.get(i)).replace('\n', ' '));
      cells[i] = text.length() > WIDEST ? text.substring(0, WIDEST - 1) + "…" : text;
    }
    return cells;
  }

  private static String text(Object value) {
    if (value == null) {
      return "NULL";
    }
    if (value instanceof byte[] bytes) {
      return String.format(Locale.ROOT, "%,d bytes", bytes.length);
    }
    if (value instanceof scala.collection.Seq<?> seq) {
      return IntStream.range(0, Math.min(WIDEST, seq.size()))
          .mapToObj(i -> text(seq.apply(i)))
          .collect(Collectors.joining(", ", "[", "]"));
    }
    return value.toString();
  }

  private String line(String[] cells) {
    StringBuilder line = new StringBuilder();
    for (int i = 0; i < cells.length; i++) {
      String fill = " ".repeat(Math.max(0, widths[i] - cells[i].length()));
      boolean right = fields[i].dataType() instanceof NumericType;
      line.append(i == 0 ? "" : "  ").append(right ? fill + cells[i] : cells[i] + fill);
    }
    return line.toString().stripTrailing();
  }
}
