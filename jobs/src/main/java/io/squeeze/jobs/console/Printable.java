package io.squeeze.jobs.console;

/** Text of others on a terminal: what would steer the terminal or begin a line is shown instead. */
final class Printable {
  private Printable() {}

  /** The same text with control characters and changes of direction as Java writes them. */
  static String of(String text) {
    if (text.chars().noneMatch(Printable::steers)) {
      return text;
    }
    StringBuilder shown = new StringBuilder();
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      if (!steers(c)) {
        shown.append(c);
      } else if (c == '\n') {
        shown.append("\\n");
      } else {
        shown.append("\\u%04x".formatted((int) c));
      }
    }
    return shown.toString();
  }

  private static boolean steers(int c) {
    return Character.isISOControl(c)
        || (c >= 0x202A && c <= 0x202E)
        || (c >= 0x2066 && c <= 0x2069)
        || c == 0x2028
        || c == 0x2029;
  }
}
