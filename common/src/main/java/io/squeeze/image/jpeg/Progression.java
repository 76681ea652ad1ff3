package io.squeeze.image.jpeg;

/** What the headers of a progressive file's scans announce, found without decoding them. */
final class Progression {
  private static final int SOS = 0xDA;

  private final Frame frame;
  private final int[][] known;

  /** Scans of the file. */
  final int scans;

  /**
   * Walks over the headers.
   *
   * @param first behind the marker of the first scan
   */
  Progression(Frame frame, byte[] file, int first) {
    this.frame = frame;
    this.known = new int[frame.components().size()][64];
    if (!frame.progressive()) {
      scans = 1;
      return;
    }
    for (int[] component : known) {
      java.util.Arrays.fill(component, -1);
    }
    int found = 0;
    int at = first;
    int marker = SOS;
    while (at + 2 <= file.length) {
      int length = ((file[at] & 0xFF) << 8) | (file[at + 1] & 0xFF);
      if (marker == SOS) {
        found++;
        enter(file, at + 2, Math.min(file.length, at + length));
      }
      at += Math.max(2, length);
      // The scan's data, and markers that stand alone.
      while (at + 1 < file.length && !begins(file[at], file[at + 1] & 0xFF)) {
        at++;
      }
      if (at + 1 >= file.length) {
        break;
      }
      marker = file[at + 1] & 0xFF;
      at += 2;
    }
    scans = found;
  }

  private static boolean begins(byte mark, int marker) {
    return mark == (byte) 0xFF
        && marker >= 0xC0
        && marker < 0xFF
        && (marker < 0xD0 || marker > 0xD7);
  }

  private void enter(byte[] file, int at, int end) {
    int count = at < end ? file[at] : 0;
    int settings = at + 1 + 2 * count;
    if (count < 1 || settings + 3 > end) {
      return;
    }
    int from = file[settings] & 63;
    int to = file[settings + 1] & 63;
    for (int i = 0; i < count; i++) {
      for (Component c : frame.components()) {
        for (int k = from; c.id == (file[at + 1 + 2 * i] & 0xFF) && k <= to; k++) {
          known[c.index][k] = file[settings + 2] & 15;
        }
      }
    }
  }

  /**
   * Whether the low frequencies are known to their last bit. libjpeg smooths the blocks of a file
   * where they are not; here that is a file that ended early.
   */
  boolean complete() {
    for (int[] component : known) {
      for (int i = 0; i < 10; i++) {
        if (component[i] != 0) {
          return false;
        }
      }
    }
    return true;
  }
}
