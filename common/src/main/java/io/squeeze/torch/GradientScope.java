package io.squeeze.torch;

import ai.djl.ndarray.NDArray;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.jni.JniUtils;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.IdentityHashMap;

/**
 * Records gradients on the calling thread until closed. DJL's own collector is one a JVM, so two
 * training tasks in one executor could not use it.
 *
 * <p>torch's autograd computes a graph's gradients on one thread. Operations that run in {@link
 * Pieces} stand outside of it: their results begin a graph of their own, and the scope calls them
 * when the gradient of that graph is known, the last one first.
 */
public final class GradientScope implements AutoCloseable {
  private static final ThreadLocal<GradientScope> CURRENT = new ThreadLocal<>();

  private final Deque<Runnable> outside = new ArrayDeque<>();
  private final IdentityHashMap<NDArray, NDArray> own = new IdentityHashMap<>();

  public GradientScope() {
    JniUtils.setGradMode(true);
    CURRENT.set(this);
  }

  /** The open scope of this thread, or null. */
  static GradientScope current() {
    return CURRENT.get();
  }

  /**
   * Where an operation in pieces begins: the array as the first one of a new graph. Everything that
   * follows must use the result, so that its gradient is complete when it is handed back to the
   * graph of the argument.
   *
   * @param x has a graph, which DJL cannot be asked about
   */
  public static NDArray cut(NDArray x) {
    GradientScope scope = current();
    if (scope == null || x.getDevice().isGpu()) {
      return x;
    }
    NDArray leaf = x.stopGradient();
    leaf.setRequiresGradient(true);
    scope.outside.push(() -> backward(x, leaf.getGradient()));
    return leaf;
  }

  /** Adds d loss / d leaf to the gradient of every leaf that asks for one. */
  public void backward(NDArray loss) {
    try (NDArray one = loss.onesLike()) {
      JniUtils.backward((PtNDArray) loss, (PtNDArray) one, !outside.isEmpty(), false);
    }
    while (!outside.isEmpty()) {
      outside.pop().run();
    }
  }

  /** Graphs share what lies before a cut, so a graph stays until its arrays are closed. */
  static void backward(NDArray result, NDArray gradient) {
    JniUtils.backward((PtNDArray) result, (PtNDArray) gradient, true, false);
  }

  /** Calls the operation when the gradient of its result is known. */
  void record(Runnable operation) {
    outside.push(operation);
  }

  /** Takes the gradient of a leaf that an operation in pieces computed. */
  void put(NDArray leaf, NDArray gradient) {
    own.merge(leaf, gradient, NDArray::addi);
  }

  /** The gradient of a leaf, after {@link #backward}. */
  public NDArray gradient(NDArray leaf) {
    NDArray gradient = own.get(leaf);
    return gradient == null ? leaf.getGradient() : gradient;
  }

  /** Sets the gradient of a leaf to zero for the next step. */
  public void reset(NDArray leaf) {
    if (!own.containsKey(leaf)) {
      JniUtils.zeroGrad((PtNDArray) leaf);
    }
  }

  @Override
  public void close() {
    CURRENT.remove();
    JniUtils.setGradMode(false);
  }
}
