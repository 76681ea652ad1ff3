package io.squeeze.torch;

import io.squeeze.weights.TensorSource;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * The body of a method of a TorchScript program, written line by line: serialised TorchScript, in
 * which every operation is a call of ATen with all of its arguments. Numbers stand for types: 4
 * int64, 5 float16, 6 float32.
 */
public final class ScriptBody {
  private final Map<String, TensorSource> tensors;
  private final Map<String, TensorSource> used;
  private final List<String> lines = new ArrayList<>();

  /**
   * A body.
   *
   * @param tensors that its lines may name
   * @param used gets those that they do, by the name of their attribute
   */
  public ScriptBody(Map<String, ? extends TensorSource> tensors, Map<String, TensorSource> used) {
    this.tensors = new LinkedHashMap<>(tensors);
    this.used = used;
  }

  /** The attribute that holds a tensor of the model. */
  public String tensor(String name) {
    TensorSource tensor = tensors.get(name);
    if (tensor == null) {
      throw new IllegalArgumentException("No tensor " + name);
    }
    return constant(name, tensor);
  }

  /** The attribute that holds a tensor which the program needs beside those of the model. */
  public String constant(String name, TensorSource tensor) {
    String attribute = name.replaceAll("[^A-Za-z0-9]", "_");
    used.put(attribute, tensor);
    return "self." + attribute;
  }

  /**
   * Adds {@code name = expression}.
   *
   * @param expression a format of {@link String#format}
   * @return the new variable
   */
  @SuppressWarnings("AnnotateFormatMethod") // would take a library for one annotation
  public String let(String expression, Object... arguments) {
    String variable = "v" + lines.size();
    lines.add("    " + variable + " = " + expression.formatted(arguments) + "\n");
    return variable;
  }

  /** A number as serialised TorchScript has it: a float has a point. */
  public static String number(double value) {
    String text = Double.toString(value).toLowerCase(Locale.ROOT);
    return text.contains(".") || text.contains("e") ? text : text + ".";
  }

  /** The lines, and the variable that the method returns. */
  public String returning(String variable) {
    return String.join("", lines) + "    return " + variable + "\n";
  }
}
