package io.squeeze.image.jpeg;

import io.squeeze.image.BadSampleException;
import io.squeeze.image.BadSampleException.Code;
import io.squeeze.image.PixelRows;
import io.squeeze.image.Region;
import io.squeeze.image.jpeg.Frame.Colours;
import java.util.ArrayList;
import java.util.List;

/**
 * Decodes one JPEG file (ITU T.81: sequential and progressive, Huffman coded, 8 bits) as
 * libjpeg-turbo does with its accurate integer DCT and fancy upsampling. Colour profiles and
 * orientation are left to others.
 *
 * <p>Where libjpeg warns and goes on, this decoder gives the same pixels and a {@link #warning}. It
 * throws a {@link BadSampleException} for a file that ends early, that libjpeg refuses, or that is
 * of another kind.
 */
public final class JpegDecoder {
  private static final int SOF0 = 0xC0;
  private static final int DHT = 0xC4;
  private static final int SOI = 0xD8;
  private static final int EOI = 0xD9;
  private static final int SOS = 0xDA;
  private static final int DQT = 0xDB;
  private static final int DRI = 0xDD;
  private static final int DAC = 0xCC;
  private static final int DNL = 0xDC;
  private static final int COM = 0xFE;

  private final byte[] file;
  private final BitStream in;
  private final Tables tables = new Tables();
  private final Frame frame;
  private final Progression progression;
  private int restartInterval;

  /** Of APP0: the file says that its colours are YCbCr. */
  private boolean jfif;

  /** Of APP14: 0 for colours as they are, 1 for YCbCr, 2 for YCCK; -1 without the marker. */
  private int adobe = -1;

  /**
   * Reads a file's markers up to its first scan.
   *
   * @throws BadSampleException if it is no JPEG file of a kind that can be decoded
   */
  public JpegDecoder(byte[] file) throws BadSampleException {
    this.file = file;
    this.in = new BitStream(file);
    if (in.readByte() != 0xFF || in.readByte() != SOI) {
      throw corrupt("no JPEG file");
    }
    Frame found = null;
    int marker = in.nextMarker();
    while (marker != SOS) {
      if (marker == EOI) {
        throw corrupt("the file has no scan");
      }
      if (frameMarker(marker)) {
        if (found != null) {
          throw corrupt("the file has two frames");
        }
        found = readFrame(marker);
      } else {
        readSegment(marker);
      }
      marker = in.nextMarker();
    }
    if (found == null) {
      throw corrupt("a scan comes before its frame");
    }
    Frame coloured =
        new Frame(
            found.width(),
            found.height(),
            found.progressive(),
            found.components(),
            colours(found.components()));
    this.frame = coloured.measured();
    this.progression = new Progression(frame, file, in.position());
  }

  public int width() {
    return frame.width();
  }

  public int height() {
    return frame.height();
  }

  /** What libjpeg would warn of, so far; null for nothing. */
  public String warning() {
    return in.warning();
  }

  /**
   * The work that scans beyond the usual number make, in blocks of 8 x 8: small files of thousands
   * of scans cost minutes.
   */
  public long excessBlocks() {
    return Math.max(0, progression.scans - 20L) * frame.blocks();
  }

  /** Whether libjpeg-turbo's own interface gives these pixels as they are. */
  private boolean plain() {
    return in.warning() == null
        && frame.colours() != Colours.CMYK
        && frame.colours() != Colours.YCCK
        && progression.complete();
  }

  private static boolean frameMarker(int marker) {
    return marker >= SOF0 && marker <= 0xCF && marker != DHT && marker != 0xC8 && marker != 0xCC;
  }

  private Frame readFrame(int marker) throws BadSampleException {
    if (marker > 0xC2) {
      String kind =
          marker == 0xC9 || marker == 0xCA
              ? "arithmetic coding"
              : marker == 0xC3 ? "lossless JPEG" : "JPEG process " + (marker - SOF0);
      throw unsupported(kind + " is not decoded");
    }
    int length = in.readShort();
    int precision = in.readByte();
    int height = in.readShort();
    int width = in.readShort();
    int count = in.readByte();
    if (precision != 8) {
      throw unsupported("JPEG of " + precision + " bits a channel is not decoded");
    }
    if (width == 0 || height == 0 || width > 65_500 || height > 65_500) {
      throw corrupt("a JPEG of " + width + "x" + height + " pixels");
    }
    if (count != 1 && count != 3 && count != 4) {
      throw unsupported("JPEG of " + count + " components is not decoded");
    }
    if (length != 8 + 3 * count) {
      throw corrupt("a frame of another length than its components need");
    }
    List<Component> components = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      int id = in.readByte();
      int sampling = in.readByte();
      int horizontal = sampling >> 4;
      int vertical = sampling & 15;
      if (horizontal < 1 || horizontal > 4 || vertical < 1 || vertical > 4) {
        throw corrupt("a component is sampled " + horizontal + "x" + vertical);
      }
      components.add(new Component(i, id, horizontal, vertical, in.readByte()));
    }
    return new Frame(width, height, marker == 0xC2, components, null);
  }

  /** libjpeg's guess of what components mean, from markers and the components' names. */
  private Colours colours(List<Component> components) {
    if (components.size() == 1) {
      return Colours.GREY;
    }
    if (components.size() == 4) {
      return adobe <= 0 ? Colours.CMYK : Colours.YCCK;
    }
    if (jfif) {
      return Colours.YCC;
    }
    if (adobe >= 0) {
      return adobe == 0 ? Colours.RGB : Colours.YCC;
    }
    boolean named =
        components.get(0).id == 'R' && components.get(1).id == 'G' && components.get(2).id == 'B';
    return named ? Colours.RGB : Colours.YCC;
  }

  /** Reads or skips what stands between scans. */
  private void readSegment(int marker) throws BadSampleException {
    if ((marker >= 0xD0 && marker <= 0xD7) || marker == 0x01) {
      return;
    }
    boolean known =
        (marker >= 0xE0 && marker <= 0xEF)
            || marker == COM
            || marker == DHT
            || marker == DQT
            || marker == DRI
            || marker == DAC
            || marker == DNL;
    if (!known) {
      throw corrupt(String.format("marker %02X at byte %d", marker, in.position()));
    }
    int length = Math.max(0, in.readShort() - 2);
    int begin = in.position();
    switch (marker) {
      case DQT -> tables.readQuantization(in, length);
      case DHT -> tables.readHuffman(in, length);
      case DRI -> {
        if (length != 2) {
          throw corrupt("a restart interval of " + length + " bytes");
        }
        restartInterval = in.readShort();
      }
      default -> {
        in.skip(length);
        if (marker == 0xE0 && length >= 14 && begins(begin, "JFIF\0")) {
          jfif = true;
        } else if (marker == 0xEE && length >= 12 && begins(begin, "Adobe")) {
          adobe = file[begin + 11] & 0xFF;
        }
      }
    }
  }

  private boolean begins(int at, String name) {
    for (int i = 0; i < name.length(); i++) {
      if (file[at + i] != name.charAt(i)) {
        return false;
      }
    }
    return true;
  }

  /**
   * Decodes the picture, scaled down while it is decoded: ceil(height / n) rows of ceil(width / n)
   * pixels. To be called once.
   *
   * @param wanted pixels of the scaled picture that the target takes
   * @param denominator 1, 2, 4 or 8
   * @throws BadSampleException where the file is damaged; the target may have got rows before
   */
  public void decode(Region wanted, int denominator, PixelRows target) throws BadSampleException {
    if (TurboJpeg.found() && plain()) {
      int width = Frame.ceil(width(), denominator);
      int height = Frame.ceil(height(), denominator);
      if (TurboJpeg.decode(file, width, height, wanted, target)) {
        return;
      }
    }
    decodeHere(wanted, denominator, target);
  }

  /** The same without libjpeg-turbo. */
  void decodeHere(Region wanted, int denominator, PixelRows target) throws BadSampleException {
    Output output = new Output(frame, wanted, denominator, target);
    Scan scan = readScan();
    // Where scans lack components, coefficients wait for the last one.
    boolean buffered = frame.progressive() || scan.components.size() < frame.components().size();
    if (buffered) {
      for (Component c : frame.components()) {
        c.coefficients = new short[Math.multiplyExact(c.paddedWide * c.paddedHigh, 64)];
      }
    } else {
      tables.defineUsual();
    }
    ScanDecoder decoder = new ScanDecoder(in, frame, restartInterval);
    while (true) {
      decoder.restartInterval = restartInterval;
      begin(scan);
      decoder.run(scan, buffered ? null : output);
      if (!buffered && in.ended()) {
        // All pixels are there: only the last marker is missing.
        in.warn("the file has no end marker");
        break;
      }
      int marker = in.nextMarker();
      while (marker != SOS && marker != EOI) {
        if (frameMarker(marker)) {
          throw corrupt("the file has two frames");
        }
        readSegment(marker);
        marker = in.nextMarker();
      }
      if (marker == EOI) {
        break;
      }
      if (!buffered) {
        throw corrupt("a scan comes after the last one");
      }
      scan = readScan();
    }
    if (!progression.complete()) {
      throw truncated("the last scans of a progressive JPEG are missing");
    }
    if (buffered) {
      output.transform();
    }
  }

  /** Reads an SOS segment. */
  private Scan readScan() throws BadSampleException {
    int length = in.readShort();
    int count = in.readByte();
    if (count < 1 || count > 4 || length != 6 + 2 * count) {
      throw corrupt("a scan of " + count + " components");
    }
    Scan scan = new Scan();
    for (int i = 0; i < count; i++) {
      int id = in.readByte();
      int numbers = in.readByte();
      Component found =
          frame.components().stream()
              .filter(c -> c.id == id && !scan.components.contains(c))
              .findFirst()
              .orElseThrow(() -> corrupt("a scan asks for component " + id));
      scan.components.add(found);
      scan.tables.add(numbers);
    }
    scan.from = in.readByte();
    scan.to = in.readByte();
    int bits = in.readByte();
    scan.high = bits >> 4;
    scan.low = bits & 15;
    if (count > 1) {
      int blocks = scan.components.stream().mapToInt(c -> c.horizontal * c.vertical).sum();
      if (blocks > 10) {
        throw corrupt("a unit of " + blocks + " blocks");
      }
    }
    return scan;
  }

  /** Gives a scan its tables, as they are defined now. */
  private void begin(Scan scan) throws BadSampleException {
    for (int i = 0; i < scan.components.size(); i++) {
      Component c = scan.components.get(i);
      if (c.steps == null) {
        if (c.quantizer() > 3 || tables.quantization[c.quantizer()] == null) {
          throw corrupt("quantization table " + c.quantizer() + " is not there");
        }
        c.steps = tables.quantization[c.quantizer()];
      }
      int numbers = scan.tables.get(i);
      c.last = 0;
      c.dc = null;
      c.ac = null;
      if (!frame.progressive()) {
        c.dc = tables.dc(numbers >> 4);
        c.ac = tables.ac(numbers & 15);
      } else if (scan.from > 0) {
        c.ac = tables.ac(numbers & 15);
      } else if (scan.high == 0) {
        c.dc = tables.dc(numbers >> 4);
      }
    }
    if (frame.progressive()) {
      checkProgression(scan);
    } else if (scan.from != 0 || scan.to != 63 || scan.high != 0 || scan.low != 0) {
      in.warn("a sequential scan with the settings of a progressive one");
    }
  }

  private void checkProgression(Scan scan) throws BadSampleException {
    boolean direct = scan.from == 0;
    boolean bad =
        direct ? scan.to != 0 : scan.from > scan.to || scan.to > 63 || scan.components.size() != 1;
    if (bad || (scan.high != 0 && scan.low != scan.high - 1) || scan.low > 13) {
      throw corrupt("a progressive scan of coefficients " + scan.from + " to " + scan.to);
    }
    for (Component c : scan.components) {
      for (int i = scan.from; i <= scan.to; i++) {
        if (scan.high != Math.max(0, c.known[i]) || (!direct && c.known[0] < 0)) {
          in.warn("progressive scans in another order");
        }
        c.known[i] = scan.low;
      }
    }
  }

  static BadSampleException corrupt(String message) {
    return new BadSampleException(Code.CORRUPT, message);
  }

  static BadSampleException truncated(String message) {
    return new BadSampleException(Code.TRUNCATED, message);
  }

  private static BadSampleException unsupported(String message) {
    return new BadSampleException(Code.UNSUPPORTED, message);
  }
}
