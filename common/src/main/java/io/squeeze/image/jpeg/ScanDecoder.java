package io.squeeze.image.jpeg;

import io.squeeze.image.BadSampleException;
import java.util.Arrays;

/** Decodes the Huffman coded data of scans into coefficients, or straight into samples. */
final class ScanDecoder {
  private static final int[] NATURAL = Tables.NATURAL;

  private static final int[] ONES = new int[64];

  static {
    Arrays.fill(ONES, 1);
  }

  private final BitStream in;
  private final Frame frame;
  private final int[] block = new int[64];

  /** Units between two restart markers; 0 for no markers. */
  int restartInterval;

  /** Blocks that a progressive scan goes over without data. */
  private int endOfBand;

  private Scan scan;
  private Output output;
  private int untilRestart;
  private int nextRestart;

  ScanDecoder(BitStream in, Frame frame, int restartInterval) {
    this.in = in;
    this.frame = frame;
    this.restartInterval = restartInterval;
  }

  /**
   * Decodes one scan.
   *
   * @param output takes blocks as they come; null to keep coefficients
   */
  void run(Scan next, Output target) throws BadSampleException {
    scan = next;
    output = target;
    endOfBand = 0;
    untilRestart = restartInterval;
    nextRestart = 0;
    in.align();
    in.exhausted = false;
    if (scan.components.size() == 1) {
      Component c = scan.components.get(0);
      for (int y = 0; y < c.blocksHigh; y++) {
        for (int x = 0; x < c.blocksWide; x++) {
          decode(c, x, y, hasData());
        }
        if (output != null && (y + 1) % c.vertical == 0) {
          output.finished(y / c.vertical);
        }
      }
      if (output != null) {
        output.finished(c.blocksHigh / c.vertical);
      }
      return;
    }
    Component first = scan.components.get(0);
    int unitsWide = first.paddedWide / first.horizontal;
    int unitsHigh = first.paddedHigh / first.vertical;
    Component[] components = scan.components.toArray(Component[]::new);
    for (int y = 0; y < unitsHigh; y++) {
      for (int x = 0; x < unitsWide; x++) {
        boolean data = hasData();
        for (Component c : components) {
          for (int v = 0; v < c.vertical; v++) {
            for (int h = 0; h < c.horizontal; h++) {
              decode(c, x * c.horizontal + h, y * c.vertical + v, data);
            }
          }
        }
      }
      if (output != null) {
        output.finished(y);
      }
    }
  }

  /** Counts a unit, and goes behind a restart marker where one is due. */
  private boolean hasData() throws BadSampleException {
    if (restartInterval > 0) {
      if (untilRestart == 0) {
        in.restart(nextRestart);
        nextRestart = nextRestart + 1 & 7;
        untilRestart = restartInterval;
        endOfBand = 0;
        scan.components.forEach(c -> c.last = 0);
      }
      untilRestart--;
    }
    return !in.exhausted;
  }

  private void decode(Component c, int x, int y, boolean data) throws BadSampleException {
    if (output != null) {
      if (data) {
        Arrays.fill(block, 0);
        int last = sequential(c, c.steps, block);
        output.transform(c, block, last, x, y);
      } else {
        output.missing(c, x, y);
      }
      return;
    }
    if (!data) {
      return;
    }
    int at = (y * c.paddedWide + x) * 64;
    if (!frame.progressive()) {
      Arrays.fill(block, 0);
      sequential(c, ONES, block);
      for (int i = 0; i < 64; i++) {
        c.coefficients[at + i] = (short) block[i];
      }
    } else if (scan.from == 0) {
      if (scan.high == 0) {
        c.coefficients[at] = (short) (difference(c) << scan.low);
      } else if (in.take(1) != 0) {
        c.coefficients[at] |= (short) (1 << scan.low);
      }
    } else if (scan.high == 0) {
      bandFirst(c, at);
    } else {
      bandRefined(c, at);
    }
  }

  /** The next DC coefficient. */
  private int difference(Component c) throws BadSampleException {
    int size = in.symbol(c.dc);
    if (size > 0) {
      try {
        c.last = Math.addExact(c.last, HuffmanTable.extend(in.take(size), size));
      } catch (ArithmeticException e) {
        throw JpegDecoder.corrupt("DC coefficients grow beyond all bounds");
      }
    }
    return c.last;
  }

  /**
   * Decodes the 64 coefficients of a block that is zero.
   *
   * @param steps to multiply with
   * @return the last position in zigzag order that is not zero
   */
  private int sequential(Component c, int[] steps, int[] out) throws BadSampleException {
    int dc = (short) difference(c);
    out[0] = (short) (dc * steps[0]);
    HuffmanTable ac = c.ac;
    int[] coefficient = ac.coefficient;
    int[] look = ac.look;
    long bits = in.bits;
    int count = in.count;
    int last = 0;
    for (int k = 1; k < 64; k++) {
      if (count < 32) {
        in.bits = bits;
        in.count = count;
        if (count < 0) {
          in.overdrawn();
        }
        in.fill();
        bits = in.bits;
        count = in.count;
      }
      int next = (int) (bits >>> (64 - HuffmanTable.LOOK));
      int whole = coefficient[next];
      int value;
      if (whole != 0) {
        int length = whole & 0xFF;
        bits <<= length;
        count -= length;
        k += whole >> 8 & 0xFF;
        value = whole >> 16;
      } else {
        int code = look[next];
        if (code == 0) {
          in.bits = bits;
          code = in.longer(ac);
        }
        int length = code >> 8;
        bits <<= length;
        count -= length;
        int size = code & 15;
        int run = code >> 4 & 15;
        if (size == 0) {
          if (run != 15) {
            break;
          }
          k += 15;
          continue;
        }
        k += run;
        value = HuffmanTable.extend((int) (bits >>> (64 - size)), size);
        bits <<= size;
        count -= size;
      }
      int at = NATURAL[k];
      out[at] = (short) (value * steps[at]);
      last = k;
    }
    in.bits = bits;
    in.count = count;
    if (count < 0) {
      in.overdrawn();
    }
    return last;
  }

  private void bandFirst(Component c, int at) throws BadSampleException {
    if (endOfBand > 0) {
      endOfBand--;
      return;
    }
    for (int k = scan.from; k <= scan.to; k++) {
      int symbol = in.symbol(c.ac);
      int run = symbol >> 4;
      int size = symbol & 15;
      if (size > 0) {
        k += run;
        int value = HuffmanTable.extend(in.take(size), size);
        c.coefficients[at + NATURAL[k]] = (short) (value << scan.low);
      } else if (run == 15) {
        k += 15;
      } else {
        endOfBand = (1 << run) + in.take(run) - 1;
        break;
      }
    }
  }

  private void bandRefined(Component c, int at) throws BadSampleException {
    short[] all = c.coefficients;
    int k = scan.from;
    if (endOfBand == 0) {
      for (; k <= scan.to; k++) {
        int symbol = in.symbol(c.ac);
        int run = symbol >> 4;
        int size = symbol & 15;
        int value = 0;
        if (size > 0) {
          if (size != 1) {
            in.warn("a refined coefficient of more than a bit");
          }
          value = in.take(1) != 0 ? 1 << scan.low : -1 << scan.low;
        } else if (run != 15) {
          endOfBand = (1 << run) + in.take(run);
          break;
        }
        // Goes over `run` zeros; what is not zero on the way gets its next bit.
        for (; k <= scan.to; k++) {
          int one = at + NATURAL[k];
          if (all[one] != 0) {
            refine(all, one);
          } else if (--run < 0) {
            break;
          }
        }
        if (value != 0) {
          all[at + NATURAL[k]] = (short) value;
        }
      }
    }
    if (endOfBand > 0) {
      for (; k <= scan.to; k++) {
        int one = at + NATURAL[k];
        if (all[one] != 0) {
          refine(all, one);
        }
      }
      endOfBand--;
    }
  }

  private void refine(short[] all, int at) throws BadSampleException {
    int bit = 1 << scan.low;
    if (in.take(1) != 0 && (all[at] & bit) == 0) {
      all[at] += (short) (all[at] >= 0 ? bit : -bit);
    }
  }
}
