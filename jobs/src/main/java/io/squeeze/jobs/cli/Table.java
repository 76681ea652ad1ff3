package io.squeeze.jobs.cli;

import io.squeeze.config.DataSettings;
import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.model.BadRows;
import io.squeeze.jobs.model.VectorTable;
import io.squeeze.jobs.spark.SqueezeSession;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import picocli.CommandLine.Model.CommandSpec;

/** The options that name a table of vectors. */
final class Table {
  static final String INPUT = "--input";
  static final String VECTOR_COL = "--vector_col";
  static final String ID_COL = "--id_col";

  private Table() {}

  static void declare(CommandSpec spec) {
    Arguments.declare(
        spec, INPUT, "TABLE", false, "Parquet with a column of vectors, read as it is.");
    Arguments.declare(
        spec, VECTOR_COL, "NAME", false, "Its vectors: an array of numbers, or Spark ML's Vector.");
    Arguments.declare(spec, ID_COL, "NAME", false, "What names its rows.");
  }

  /** Whether a command is about a table of vectors, with all that this takes. */
  static boolean given(Arguments arguments) {
    List<String> missing = new ArrayList<>(List.of(INPUT, VECTOR_COL, ID_COL));
    missing.removeIf(name -> arguments.own(name) != null);
    if (missing.size() == 3) {
      return false;
    }
    if (!missing.isEmpty()) {
      throw SqueezeException.usage(
          INPUT + ", " + VECTOR_COL + " and " + ID_COL + " go together: set " + missing.get(0));
    }
    return true;
  }

  static VectorTable of(SqueezeSession session, Arguments arguments, DataSettings settings)
      throws IOException {
    return of(session, arguments, arguments.own(INPUT), INPUT, settings);
  }

  /** Another table with the same columns, which an option names. */
  static VectorTable of(
      SqueezeSession session,
      Arguments arguments,
      String path,
      String option,
      DataSettings settings)
      throws IOException {
    return VectorTable.open(
        session,
        path,
        option,
        arguments.own(VECTOR_COL),
        arguments.own(ID_COL),
        BadRows.of(settings));
  }
}
