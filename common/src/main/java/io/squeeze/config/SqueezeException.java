package io.squeeze.config;

/**
 * A failure that a user can act on. Its message is one sentence, or a list of problems in the
 * configuration. Its category gives the exit code.
 */
public final class SqueezeException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  /** What went wrong, and the process's exit code for it. */
  public enum Category {
    USAGE(2),
    CONFIGURATION(3),
    INPUT(4),
    RESOURCE(5),
    TRAINING(6),
    PARTIAL(7);

    private final int exitCode;

    Category(int exitCode) {
      this.exitCode = exitCode;
    }

    public int exitCode() {
      return exitCode;
    }
  }

  private final Category category;

  private SqueezeException(Category category, String message, Throwable cause) {
    super(message, cause);
    this.category = category;
  }

  public Category category() {
    return category;
  }

  public static SqueezeException usage(String message) {
    return new SqueezeException(Category.USAGE, message, null);
  }

  public static SqueezeException configuration(String message) {
    return new SqueezeException(Category.CONFIGURATION, message, null);
  }

  public static SqueezeException input(String message) {
    return new SqueezeException(Category.INPUT, message, null);
  }

  public static SqueezeException input(String message, Throwable cause) {
    return new SqueezeException(Category.INPUT, message, cause);
  }

  public static SqueezeException resource(String message, Throwable cause) {
    return new SqueezeException(Category.RESOURCE, message, cause);
  }

  public static SqueezeException training(String message) {
    return new SqueezeException(Category.TRAINING, message, null);
  }

  public static SqueezeException partial(String message) {
    return new SqueezeException(Category.PARTIAL, message, null);
  }

  /** The first of ours in the chain of causes, or null: Spark wraps what a task throws. */
  public static SqueezeException find(Throwable thrown) {
    int depth = 0;
    for (Throwable t = thrown; t != null && depth < 32; t = t.getCause(), depth++) {
      if (t instanceof SqueezeException ours) {
        return ours;
      }
    }
    return null;
  }
}
