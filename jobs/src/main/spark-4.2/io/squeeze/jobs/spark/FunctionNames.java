package io.squeeze.jobs.spark;

import org.apache.spark.sql.catalyst.FunctionIdentifier;
import scala.Option;

/** What a session's registry calls functions; the names of earlier Sparks stand beside. */
final class FunctionNames {
  private FunctionNames() {}

  /** A function that came to a session after its start. */
  static FunctionIdentifier added(String name) {
    return in("session", name);
  }

  /** A function of Spark's own. */
  static FunctionIdentifier builtin(String name) {
    return in("builtin", name);
  }

  private static FunctionIdentifier in(String place, String name) {
    return new FunctionIdentifier(name, Option.apply(place), Option.apply("system"));
  }
}
