package io.squeeze.storage;

import io.squeeze.config.SqueezeException;
import java.io.FilterReader;
import java.io.IOException;
import java.io.Reader;

/** Refuses a text whose lines are longer than those of any list: readers of lines hold one. */
final class ShortLines extends FilterReader {
  private static final int LONGEST = 1 << 20;

  private final String path;
  private int length;

  ShortLines(Reader text, String path) {
    super(text);
    this.path = path;
  }

  @Override
  public int read(char[] target, int offset, int size) throws IOException {
    int read = super.read(target, offset, size);
    for (int i = offset; i < offset + read; i++) {
      length = target[i] == '\n' ? 0 : length + 1;
      if (length > LONGEST) {
        throw SqueezeException.input(
            path + " holds a line of more than " + LONGEST + " characters: it is no list");
      }
    }
    return read;
  }
}
