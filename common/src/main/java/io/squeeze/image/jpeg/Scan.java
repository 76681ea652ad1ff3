package io.squeeze.image.jpeg;

import java.util.ArrayList;
import java.util.List;

/** What an SOS segment says: components, their tables, and of a progressive file which bits. */
final class Scan {
  final List<Component> components = new ArrayList<>();

  /** Numbers of the tables, DC in the upper four bits. */
  final List<Integer> tables = new ArrayList<>();

  /** First and last coefficient in zigzag order. */
  int from;

  int to;

  /** Lowest bit that is known before the scan (0 for none), and behind it. */
  int high;

  int low;
}
