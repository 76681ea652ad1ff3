package io.squeeze.image.jpeg;

/** One component of a frame: its sampling, its tables, and its samples as they are decoded. */
final class Component {
  final int index;
  final int id;
  final int horizontal;
  final int vertical;
  private final int quantizer;

  /** Blocks that hold samples of the picture. */
  int blocksWide;

  int blocksHigh;

  /** Blocks with those that only fill up interleaved units. */
  int paddedWide;

  int paddedHigh;

  /** Sides of what a block of 8 x 8 becomes: 8, or less where the picture is scaled down. */
  int side;

  /** Samples that belong to the picture, without padding. */
  int width;

  int height;

  /** Quantization steps in natural order, as they were at the first scan; null before. */
  int[] steps;

  /** Coefficients of all blocks in natural order, for files of several scans; else null. */
  short[] coefficients;

  /** Decoded samples, {@code stride} a row, of which the last {@code rows} are kept. */
  int[] samples;

  int stride;
  int rows;

  /** Blocks whose samples are asked for: from (inclusive), to (exclusive). */
  int blockLeft;

  int blockRight;
  int blockTop;
  int blockBottom;

  HuffmanTable dc;
  HuffmanTable ac;

  /** The last DC coefficient of the scan. */
  int last;

  /** What is known of each coefficient: its lowest bit, -1 for nothing (progressive). */
  final int[] known = new int[64];

  Component(int index, int id, int horizontal, int vertical, int quantizer) {
    this.index = index;
    this.id = id;
    this.horizontal = horizontal;
    this.vertical = vertical;
    this.quantizer = quantizer;
    java.util.Arrays.fill(known, -1);
  }

  int quantizer() {
    return quantizer;
  }

  /** Where a row of samples lies. */
  int row(int y) {
    return y % rows * stride;
  }

  boolean wanted(int blockX, int blockY) {
    return blockX >= blockLeft && blockX < blockRight && blockY >= blockTop && blockY < blockBottom;
  }
}
