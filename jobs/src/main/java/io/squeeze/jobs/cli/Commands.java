package io.squeeze.jobs.cli;

import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.console.Reporter;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.function.Consumer;
import picocli.CommandLine;
import picocli.CommandLine.Model.CommandSpec;

/** The command line: every command with its flags, its help and the job that it runs. */
final class Commands {
  static final String BEAM = "--beam";

  private Commands() {}

  static CommandLine all(Reporter reporter) {
    DataCommands data = new DataCommands(reporter);
    CodeCommands codes = new CodeCommands(reporter);
    RunCommands runs = new RunCommands(reporter);
    SearchCommands search = new SearchCommands(reporter);
    ServeCommands serve = new ServeCommands(reporter);
    CommandSpec root = CommandSpec.create().name("squeeze").mixinStandardHelpOptions(true);
    root.version("embeddings-squeeze 0.1.0");
    root.usageMessage()
        .synopsisHeading("")
        .customSynopsis("submit/squeeze [spark-submit options] COMMAND [options]")
        .description(
            "",
            "Squeezes grids of image embeddings into a few bits a vector and shows what that costs.",
            "")
        .width(100)
        .commandListHeading("Commands, in the order of a first walk:%n")
        .footer(
            "",
            "submit/squeeze COMMAND --help explains a command. Options take _ or -.",
            "Exit codes: 0 done, 1 unexpected, 2 usage, 3 configuration, 4 input data, 5 resource,",
            "6 training diverged, 7 some runs of a grid failed.");
    CommandLine line = new CommandLine(root);
    line.addSubcommand("synthesize", data.synthesize());
    line.addSubcommand("extract", data.extract());
    line.addSubcommand("train", runs.train());
    line.addSubcommand("baseline", runs.baseline());
    line.addSubcommand("evaluate", runs.evaluate());
    line.addSubcommand("grid", runs.grid());
    line.addSubcommand("encode", codes.encode());
    line.addSubcommand("decode", codes.decode());
    line.addSubcommand("index", search.index());
    line.addSubcommand("search", search.search());
    line.addSubcommand("dedup", search.dedup());
    line.addSubcommand("visualize", runs.visualize());
    line.addSubcommand("predict", serve.predict());
    line.addSubcommand("export", serve.export());
    line.addSubcommand("query", data.query());
    line.addSubcommand("doctor", data.doctor());
    line.addSubcommand("gc", data.gc());
    root.usageMessage().sortOptions(false);
    return line;
  }

  /** What a command does with its arguments. */
  interface Action {
    /**
     * Runs the command. Returns the result for scripts; null if the command has printed it itself.
     */
    Object run(Arguments arguments) throws IOException;
  }

  static CommandLine command(
      Reporter reporter,
      String name,
      List<Flag> flags,
      Action action,
      Consumer<CommandSpec> own,
      String header,
      String... help) {
    CommandSpec[] holder = new CommandSpec[1];
    Callable<Integer> call =
        () -> {
          Arguments arguments =
              new Arguments(flags, holder[0].commandLine().getParseResult(), reporter);
          Object outcome = action.run(arguments);
          if (outcome != null) {
            arguments.reporter().outcome(outcome);
          }
          return 0;
        };
    CommandSpec spec = CommandSpec.wrapWithoutInspection(call).name(name);
    holder[0] = spec;
    spec.mixinStandardHelpOptions(true);
    own.accept(spec);
    Arguments.declare(spec, flags);
    spec.usageMessage()
        .synopsisHeading("")
        .customSynopsis("submit/squeeze [spark-submit options] " + name + " [options]")
        .header(header)
        .description(help)
        .width(100)
        .sortOptions(false);
    return new CommandLine(spec);
  }

  static long number(Arguments arguments, String name, long unset, long low, long high) {
    String given = arguments.own(name);
    try {
      long value = given == null ? unset : Long.parseLong(given);
      if (value >= low && value <= high) {
        return value;
      }
    } catch (NumberFormatException e) {
      // Said below, as for a number out of range.
    }
    throw SqueezeException.usage(
        name + " " + given + " is not a whole number in [" + low + ", " + high + "]");
  }

  static List<Flag> join(List<Flag> first, List<Flag> second) {
    List<Flag> all = new ArrayList<>(first);
    all.addAll(second);
    return all;
  }

  static void declareBeam(CommandSpec spec) {
    Arguments.declare(
        spec,
        BEAM,
        "N",
        false,
        "Beam width of rvq: codes that it keeps at a level. Default: as it was trained.");
  }
}
