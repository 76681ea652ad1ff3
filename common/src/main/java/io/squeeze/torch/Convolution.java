package io.squeeze.torch;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.convolutional.Conv2d;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.jni.IValue;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.LongStream;

/**
 * A convolution of stride 1 that keeps the size of its input, computed in {@link Pieces}.
 *
 * <p>It is a sum over the taps of its kernel. A tap moves the input and multiplies it by a matrix
 * [outputs, channels]. Only the positions whose moved place lies within the input are multiplied.
 * In a grid of 28 x 28, eight of the nine taps of a kernel of rate 36 have none. Blocks of output
 * channels are pieces in the forward pass and for the weight's gradient, blocks of input channels
 * for the input's gradient, so that no two pieces read or write the same weights.
 */
public final class Convolution {
  /** Most blocks of channels. Their number is part of the result, so it is fixed. */
  private static final int BLOCKS = 8;

  /** Fewest channels of a block: products of thinner matrices are slow. */
  private static final int THINNEST = 32;

  private Convolution() {}

  /**
   * A convolution.
   *
   * @param x float32 [B, C, h, w]; in a {@link GradientScope} the input itself, or what {@link
   *     GradientScope#cut} gave
   * @param weight [O, C, k, k], k odd
   * @param rate steps between two taps of the kernel
   * @return [B, O, h, w]
   */
  public static NDArray apply(NDArray x, NDArray weight, int rate) {
    Shape kernel = weight.getShape();
    if (x.getDevice().isGpu()) {
      long padding = kernel.get(2) / 2 * rate;
      return Conv2d.conv2d(
              x, weight, null, new Shape(1, 1), new Shape(padding, padding), new Shape(rate, rate))
          .singletonOrThrow();
    }
    List<Tap> taps = Tap.of(kernel, x.getShape(), rate);
    List<NDArray> moved = moved(x, taps, true);
    NDArray y = summed("convolve", moved, weight, x.getShape(), kernel.get(0), taps, false);
    GradientScope scope = GradientScope.current();
    if (scope != null && (weight.hasGradient() || x.hasGradient())) {
      y.setRequiresGradient(true);
      scope.record(() -> backward(scope, x, weight, y, moved, taps));
    }
    return y;
  }

  private static void backward(
      GradientScope scope,
      NDArray x,
      NDArray weight,
      NDArray y,
      List<NDArray> moved,
      List<Tap> taps) {
    List<NDArray> gradients = moved(y.getGradient(), taps, false);
    Shape kernel = weight.getShape();
    if (weight.hasGradient()) {
      NDArray gradient = x.getManager().create(kernel, DataType.FLOAT32);
      inBlocks(
          kernel.get(0),
          (first, last) ->
              run(
                  "convolve_weight",
                  list(gradients),
                  list(moved),
                  of(gradient),
                  Tap.list(taps, false),
                  first,
                  last));
      scope.put(weight, gradient);
    }
    if (x.hasGradient()) {
      GradientScope.backward(
          x, summed("convolve_input", gradients, weight, x.getShape(), kernel.get(1), taps, true));
    }
  }

  /**
   * The sum over the taps, in blocks of its channels.
   *
   * @param parts what each tap multiplies
   * @param grid the shape [B, .., h, w] of the input
   * @param inputs whether the taps reach places of the input, or of the output
   * @return [B, channels, h, w]
   */
  private static NDArray summed(
      String method,
      List<NDArray> parts,
      NDArray weight,
      Shape grid,
      long channels,
      List<Tap> taps,
      boolean inputs) {
    Shape turned = new Shape(channels, grid.get(0), grid.get(2), grid.get(3));
    NDArray sums = parts.get(0).getManager().create(turned, DataType.FLOAT32);
    inBlocks(
        channels,
        (first, last) ->
            run(method, list(parts), of(weight), of(sums), Tap.list(taps, inputs), first, last));
    return swapped(sums);
  }

  /**
   * A place of the kernel and the outputs whose input it finds within the grid.
   *
   * @param place in the kernel, row-major
   * @param top first row of the outputs, {@code bottom} behind the last; columns likewise
   * @param down rows from an output to its input; {@code across} columns
   */
  private record Tap(int place, int top, int bottom, int left, int right, int down, int across) {

    static List<Tap> of(Shape kernel, Shape grid, int rate) {
      int size = (int) kernel.get(2);
      int height = (int) grid.get(2);
      int width = (int) grid.get(3);
      List<Tap> taps = new ArrayList<>();
      for (int place = 0; place < size * size; place++) {
        int down = (place / size - size / 2) * rate;
        int across = (place % size - size / 2) * rate;
        if (Math.abs(down) < height && Math.abs(across) < width) {
          taps.add(
              new Tap(
                  place,
                  Math.max(0, -down),
                  Math.min(height, height - down),
                  Math.max(0, -across),
                  Math.min(width, width - across),
                  down,
                  across));
        }
      }
      return taps;
    }

    /** Rows from, to and columns from, to of the inputs or of the outputs. */
    long[] region(boolean inputs) {
      int y = inputs ? down : 0;
      int x = inputs ? across : 0;
      return new long[] {top + y, bottom + y, left + x, right + x};
    }

    /** Place and region of each, one after the other. */
    static IValue list(List<Tap> taps, boolean inputs) {
      return IValue.listFrom(
          taps.stream()
              .flatMapToLong(
                  t -> LongStream.concat(LongStream.of(t.place), LongStream.of(t.region(inputs))))
              .toArray());
    }
  }

  /** The inputs of each tap, or its outputs: [B, C, h, w] -> [C, B * positions]. */
  private static List<NDArray> moved(NDArray x, List<Tap> taps, boolean inputs) {
    NDArray[] moved = new NDArray[taps.size()];
    Pieces.run(
        moved.length,
        i -> {
          IValue region = IValue.listFrom(taps.get(i).region(inputs));
          moved[i] = NativeKernels.made("part", x.getManager(), of(x), region);
        });
    return List.of(moved);
  }

  /** [A, B, h, w] -> [B, A, h, w], an array that may take part in a graph. */
  private static NDArray swapped(NDArray x) {
    Shape shape = x.getShape();
    Shape other = new Shape(shape.get(1), shape.get(0), shape.get(2), shape.get(3));
    NDArray swapped = x.getManager().create(other, DataType.FLOAT32);
    run("swap", of(x), of(swapped));
    return swapped;
  }

  private interface Block {
    void compute(long first, long last);
  }

  private static void inBlocks(long channels, Block block) {
    int blocks = (int) Math.max(1, Math.min(BLOCKS, channels / THINNEST));
    Pieces.run(blocks, i -> block.compute(channels * i / blocks, channels * (i + 1) / blocks));
  }

  private static void run(String method, Object... inputs) {
    IValue[] values = new IValue[inputs.length];
    for (int i = 0; i < inputs.length; i++) {
      values[i] = inputs[i] instanceof Long number ? IValue.from(number) : (IValue) inputs[i];
    }
    NativeKernels.inPlace(method, values);
  }

  private static IValue of(NDArray array) {
    return IValue.from((PtNDArray) array);
  }

  private static IValue list(List<NDArray> arrays) {
    return NativeKernels.list(arrays);
  }
}
