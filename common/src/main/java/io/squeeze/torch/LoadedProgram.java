package io.squeeze.torch;

import ai.djl.engine.EngineException;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.engine.PtNDManager;
import ai.djl.pytorch.engine.PtSymbolBlock;
import ai.djl.pytorch.jni.IValue;
import ai.djl.pytorch.jni.IValueUtils;
import ai.djl.pytorch.jni.JniUtils;
import java.nio.file.Path;

/** A TorchScript file whose methods can be called by name. */
public final class LoadedProgram {
  private final PtSymbolBlock program;

  private LoadedProgram(PtSymbolBlock program) {
    this.program = program;
  }

  /**
   * Loads a file to the manager's device; it stays until the manager is closed.
   *
   * @throws EngineException if libtorch cannot read it
   */
  public static LoadedProgram load(NDManager manager, Path path) {
    return new LoadedProgram(
        JniUtils.loadModule(
            (PtNDManager) manager, path, true, new String[0], new String[0], false));
  }

  /** Calls a method that takes a tensor and gives one, in the manager of the argument. */
  public NDArray call(String method, NDArray argument) {
    try (IValue input = IValue.from((PtNDArray) argument);
        IValue result = IValueUtils.runMethod(program, method, input)) {
      NDArray made = result.toTensor((PtNDManager) argument.getManager());
      made.attach(argument.getManager());
      return made;
    }
  }
}
