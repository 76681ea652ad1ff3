package io.squeeze.backbone;

import io.squeeze.config.ImageSettings.Windows;
import io.squeeze.config.SqueezeException;
import java.util.ArrayList;
import java.util.List;

/**
 * Where windows lie on a square photo, as in the sliding inference of segmentation: side by side at
 * a stride, the last one at the edge. They begin at whole cells of the backbone's grid, so that the
 * cells of windows that overlap lie on each other.
 *
 * @param side of a window, in pixels
 * @param cell side of what one feature vector stands for, in pixels
 * @param stride from one window to the next, in pixels
 * @param starts of the windows of a row or column, in cells
 * @param window what one window becomes
 * @param grid what the photo becomes
 */
public record SlidingWindows(
    int side, int cell, int stride, List<Integer> starts, Grid window, Grid grid) {

  /**
   * Lays the windows.
   *
   * @param size side of the photo, in pixels
   * @param window what the backbone makes of a window
   * @throws SqueezeException of category configuration if the photo is no whole number of cells
   */
  public static SlidingWindows of(Windows asked, int size, Grid window) {
    int side = asked.side();
    int cells = window.height();
    if (cells != window.width() || side % cells != 0) {
      throw noWholeCells(side, window);
    }
    int cell = side / cells;
    if (size % cell != 0) {
      throw SqueezeException.configuration(
          ("A vector of the backbone stands for %d pixels, and image.size is %d: set it to %d or %d,"
                  + " so that windows fit")
              .formatted(cell, size, size / cell * cell, (size / cell + 1) * cell));
    }
    int step = Math.max(1, asked.stride() / cell);
    int last = size / cell - cells;
    List<Integer> starts = new ArrayList<>();
    for (int start = 0; start < last; start += step) {
      starts.add(start);
    }
    starts.add(last);
    Grid whole = new Grid(window.channels(), size / cell, size / cell);
    return new SlidingWindows(side, cell, step * cell, List.copyOf(starts), window, whole);
  }

  /** Says that the vectors of a window stand for no whole number of pixels. */
  static SqueezeException noWholeCells(int side, Grid window) {
    return SqueezeException.configuration(
        ("Windows of %d pixels become %d x %d vectors, which stand for no whole number of pixels:"
                + " set image.windows (--windows) to a multiple of the backbone's stride")
            .formatted(side, window.height(), window.width()));
  }

  /**
   * The windows that made a grid.
   *
   * @param grid of the photo
   * @param size side of the photo, in pixels
   */
  public static SlidingWindows over(Grid grid, int size, Windows asked) {
    int cells = asked.side() * grid.height() / size;
    return of(asked, size, new Grid(grid.channels(), cells, cells));
  }

  /** Windows of a photo. */
  public int count() {
    return starts.size() * starts.size();
  }

  /** The weight of each cell of the grid, row by row: one by the number of its windows. */
  public float[] weights() {
    int[] line = new int[grid.width()];
    for (int start : starts) {
      for (int i = 0; i < window.width(); i++) {
        line[start + i]++;
      }
    }
    float[] weights = new float[grid.positions()];
    for (int y = 0; y < line.length; y++) {
      for (int x = 0; x < line.length; x++) {
        weights[y * line.length + x] = 1f / (line[y] * line[x]);
      }
    }
    return weights;
  }

  /** Every window, row by row. */
  public List<Window> windows() {
    return starts.stream()
        .flatMap(y -> starts.stream().map(x -> new Window(y, x, cell, window.height())))
        .toList();
  }

  /**
   * One window.
   *
   * @param y row of its first cell
   * @param x column of its first cell
   * @param cell side of a cell, in pixels
   * @param cells of the window, in each direction
   */
  public record Window(int y, int x, int cell, int cells) {
    public int top() {
      return y * cell;
    }

    public int bottom() {
      return (y + cells) * cell;
    }

    public int left() {
      return x * cell;
    }

    public int right() {
      return (x + cells) * cell;
    }
  }
}
