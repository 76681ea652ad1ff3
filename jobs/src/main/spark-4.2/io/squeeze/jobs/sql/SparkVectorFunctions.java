package io.squeeze.jobs.sql;

import java.util.List;

/** Spark 4.2 has the vector functions itself; those for earlier ones stand beside this class. */
final class SparkVectorFunctions {
  static final List<SqlFunction> FUNCTIONS = List.of();

  private SparkVectorFunctions() {}
}
