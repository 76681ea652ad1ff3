package io.squeeze.jobs.sql;

import java.util.List;

/** Spark 4.2 has the vector functions itself; those of Spark 3.5 stand beside this class. */
final class SparkVectorFunctions {
  static final List<SqlFunction> FUNCTIONS = List.of();

  private SparkVectorFunctions() {}
}
