package io.squeeze.jobs.spark;

import org.apache.spark.sql.catalyst.FunctionIdentifier;

/** What a session's registry calls functions; the names since Spark 4.2 stand beside. */
final class FunctionNames {
  private FunctionNames() {}

  /** A function that came to a session after its start. */
  static FunctionIdentifier added(String name) {
    return new FunctionIdentifier(name);
  }

  /** A function of Spark's own. */
  static FunctionIdentifier builtin(String name) {
    return new FunctionIdentifier(name);
  }
}
