package io.squeeze.jobs.cli;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigException;
import com.typesafe.config.ConfigFactory;
import io.squeeze.config.Hocon;
import io.squeeze.config.Settings;
import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.console.Reporter;
import io.squeeze.jobs.spark.Sessions;
import io.squeeze.jobs.spark.SqueezeSession;
import io.squeeze.storage.Storage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.ParseResult;

/** The options of a command: flags that are settings, --config, --set, and a command's own. */
final class Arguments {
  private static final String CONFIG = "--config";
  private static final String SET = "--set";
  private static final String UNFREEZE = "--unfreeze_last_layer";
  private static final String QUANTIZER_ENABLED = "--quantizer_enabled";
  private static final String INITIALIZE_CODEBOOK = "--initialize_codebook";
  private static final String QUIET = "--quiet";
  private static final String JSON = "--json";
  private static final String RESUME = "--resume";
  private static final String RESTART = "--restart";

  private final List<Flag> flags;
  private final ParseResult parsed;
  private final Reporter reporter;

  Arguments(List<Flag> flags, ParseResult parsed, Reporter reporter) {
    this.flags = flags;
    this.parsed = parsed;
    this.reporter = reporter.as(given(QUIET), given(JSON));
  }

  /** Dashes and underscores are alike in the name of a long option; the reference writes _. */
  static String[] normalised(String[] args) {
    String[] result = args.clone();
    for (int i = 0; i < result.length; i++) {
      if (result[i].startsWith("--")) {
        int end = result[i].indexOf('=');
        String name = end < 0 ? result[i] : result[i].substring(0, end);
        result[i] = "--" + name.substring(2).replace('-', '_') + result[i].substring(name.length());
      }
    }
    return result;
  }

  /** Adds the options of the flags, and --config and --set. */
  static void declare(CommandSpec spec, List<Flag> flags) {
    for (Flag flag : flags) {
      OptionSpec.Builder option =
          OptionSpec.builder(flag.flag())
              .type(String.class)
              .description(flag.help() + " Default: " + Settings.defaultOf(flag.key()) + ".");
      // A flag without a value is a switch.
      spec.addOption(
          flag.value().isEmpty()
              ? option.arity("0").fallbackValue("true").build()
              : option.paramLabel(flag.value()).build());
    }
    spec.addOption(
        OptionSpec.builder(CONFIG)
            .type(String.class)
            .paramLabel("FILE")
            .description("Settings in HOCON; they override conf/application.conf.")
            .build());
    spec.addOption(
        OptionSpec.builder(SET)
            .type(List.class)
            .auxiliaryTypes(String.class)
            .paramLabel("KEY=VALUE")
            .description("Any setting of reference.conf; may be repeated.")
            .build());
    switchOption(spec, QUIET, "No progress messages: results, warnings and errors alone.");
    switchOption(spec, JSON, "The result as one line of JSON on standard output.");
  }

  /** Adds the switches of the reference project that have no setting behind them. */
  static void declareSwitches(CommandSpec spec, boolean quantizer) {
    if (quantizer) {
      switchOption(spec, UNFREEZE, "Refused: embeddings are of a frozen backbone.");
      switchOption(spec, QUANTIZER_ENABLED, "Does nothing: --quantizer_type none turns it off.");
      switchOption(spec, INITIALIZE_CODEBOOK, "Does nothing: k-means always starts the codebook.");
    }
    switchOption(spec, RESUME, "Goes on with an unfinished run of this name: the default.");
    switchOption(spec, RESTART, "Begins an unfinished run of this name again from its start.");
  }

  static void switchOption(CommandSpec spec, String name, String help) {
    spec.addOption(OptionSpec.builder(name).type(boolean.class).description(help).build());
  }

  /** Adds an option of a single command. */
  static void declare(CommandSpec spec, String name, String label, boolean required, String help) {
    spec.addOption(
        OptionSpec.builder(name)
            .type(String.class)
            .paramLabel(label)
            .required(required)
            .description(help)
            .build());
  }

  /** Reports as the switches say. */
  Reporter reporter() {
    return reporter;
  }

  /** Starts Spark for a command. */
  SqueezeSession start(String command, Settings settings) {
    return SqueezeSession.of(Sessions.start(command, settings.compute()), reporter);
  }

  /** The same where jobs of several threads share the executors. */
  SqueezeSession startFair(String command, Settings settings) {
    return SqueezeSession.of(Sessions.startFair(command, settings.compute()), reporter);
  }

  boolean json() {
    return given(JSON);
  }

  /** The value of a command's own option; null where it is not given. */
  String own(String name) {
    return parsed.matchedOptionValue(name, null);
  }

  /** The same, or another value where it is not given. */
  String own(String name, String otherwise) {
    return parsed.matchedOptionValue(name, otherwise);
  }

  /**
   * The settings. Later sources override earlier ones: reference.conf, conf/application.conf,
   * --config, the values that the command fixes, --set and flags.
   *
   * @throws SqueezeException of category configuration, with every problem
   */
  Settings settings(Map<String, String> fixed) {
    return settings(ConfigFactory.parseMap(fixed));
  }

  /** The same where what the command fixes comes from a file. */
  Settings settings(Config fixed) {
    noteSwitches();
    List<Config> overlays = new ArrayList<>();
    String home = System.getenv("SQUEEZE_HOME");
    if (home != null && Files.exists(Path.of(home, "conf", "application.conf"))) {
      overlays.add(file(Path.of(home, "conf", "application.conf")));
    }
    overlays.add(fixed);
    if (own(CONFIG) != null) {
      overlays.add(file(Path.of(own(CONFIG))));
    }
    List<String> sets = parsed.matchedOptionValue(SET, List.of());
    sets.forEach(set -> overlays.add(set(set)));
    for (Flag flag : flags) {
      String value = own(flag.flag());
      if (value != null) {
        overlays.add(assigned(flag.key(), value, flag.flag() + " " + value));
      }
    }
    if (given(RESUME) && given(RESTART)) {
      throw SqueezeException.usage(RESUME + " and " + RESTART + " exclude each other");
    }
    if (given(RESUME) || given(RESTART)) {
      overlays.add(ConfigFactory.parseMap(Map.of("train.resume", given(RESUME))));
    }
    return Settings.load(overlays);
  }

  /**
   * A text file of this machine.
   *
   * @param option that names it, for messages
   */
  static String text(String path, String option) {
    try {
      return Storage.local().text(path);
    } catch (IOException e) {
      throw SqueezeException.configuration("Cannot read " + path + " (" + option + ")");
    }
  }

  private static Config file(Path path) {
    if (!Files.isRegularFile(path)) {
      throw SqueezeException.configuration("No configuration file at " + path + " (--config)");
    }
    try {
      return Hocon.file(path);
    } catch (ConfigException e) {
      throw SqueezeException.configuration("Cannot read " + path + ": " + e.getMessage());
    }
  }

  private static Config set(String assignment) {
    int equals = assignment.indexOf('=');
    if (equals < 1) {
      throw SqueezeException.usage("--set " + assignment + " is not KEY=VALUE");
    }
    String key = assignment.substring(0, equals).strip();
    return assigned(key, assignment.substring(equals + 1).strip(), "--set " + assignment);
  }

  private static Config assigned(String key, String value, String given) {
    try {
      return value.startsWith("[") || value.equals("null")
          ? ConfigFactory.parseString(key + " = " + value)
          : ConfigFactory.parseMap(Map.of(key, value));
    } catch (ConfigException e) {
      throw SqueezeException.usage(given + " cannot be read");
    }
  }

  private void noteSwitches() {
    if (given(UNFREEZE)) {
      throw SqueezeException.configuration(
          UNFREEZE + " is not offered: training reads embeddings that a frozen backbone made once");
    }
    if (given(QUANTIZER_ENABLED)) {
      reporter.say(QUANTIZER_ENABLED + " changes nothing: --quantizer_type decides");
    }
    if (given(INITIALIZE_CODEBOOK)) {
      reporter.say(INITIALIZE_CODEBOOK + " changes nothing: k-means always starts the codebook");
    }
  }

  boolean given(String name) {
    return parsed.matchedOptionValue(name, false);
  }
}
