package io.squeeze.config;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigException;
import com.typesafe.config.ConfigValueType;
import java.util.List;
import java.util.Locale;
import java.util.function.Function;
import java.util.regex.Pattern;

/** One block of the configuration, read value by value; what is wrong is added to the problems. */
final class Section {
  private final Config config;
  private final String path;
  private final Problems problems;

  Section(Config config, String path, Problems problems) {
    this.config = config;
    this.path = path;
    this.problems = problems;
  }

  Section at(String name) {
    return new Section(config, key(name), problems);
  }

  int intIn(String name, int low, int high) {
    return (int) longIn(name, low, high);
  }

  /** An int that may be left unset; null then. */
  Integer optionalIntIn(String name, int low, int high) {
    // A conditional of int and null would unbox the null.
    Integer value = null;
    if (!isNull(name)) {
      value = intIn(name, low, high);
    }
    return value;
  }

  /** Whether a list stands there. */
  boolean isList(String name) {
    try {
      return !isNull(name) && config.getValue(key(name)).valueType() == ConfigValueType.LIST;
    } catch (ConfigException e) {
      return false; // reading it says why
    }
  }

  /** An int; null where it is unset or {@code auto}, 0 for {@code none}. */
  Integer intOrNoneIn(String name, int low, int high) {
    String word = isNull(name) ? "auto" : text(name).toLowerCase(Locale.ROOT);
    Integer value = null;
    if (!word.equals("auto")) {
      value = word.equals("none") ? 0 : intIn(name, low, high);
    }
    return value;
  }

  long longIn(String name, long low, long high) {
    Long value = read(name, config::getLong);
    if (value == null) {
      return low;
    }
    return checked(name, value, value >= low && value <= high, "[" + low + ", " + high + "]", low);
  }

  long bytes(String name) {
    Long value = read(name, config::getBytes);
    return value == null
        ? 1
        : checked(name, value, value > 0, "(0, " + Long.MAX_VALUE + "] bytes", 1L);
  }

  /** A finite double in [low, high]. */
  double doubleIn(String name, double low, double high) {
    Double value = read(name, config::getDouble);
    if (value == null) {
      return low;
    }
    return checked(name, value, value >= low && value <= high, "[" + low + ", " + high + "]", low);
  }

  /** A double that may be left unset; null then. */
  Double optionalDoubleIn(String name, double low, double high) {
    return isNull(name) ? null : doubleIn(name, low, high);
  }

  /** Any number of ints in [low, high]. */
  List<Integer> ints(String name, int low, int high) {
    return each(name, read(name, config::getIntList), low, high, "[" + low + ", " + high + "]");
  }

  /** Any number of numbers in [low, high]. */
  List<Double> doubles(String name, double low, double high) {
    return each(name, read(name, config::getDoubleList), low, high, "[" + low + ", " + high + "]");
  }

  private <T extends Number> List<T> each(
      String name, List<T> values, double low, double high, String range) {
    if (values == null) {
      return List.of();
    }
    boolean valid =
        values.stream()
            .mapToDouble(Number::doubleValue)
            .allMatch(value -> value >= low && value <= high);
    return List.copyOf(checked(name, values, valid, range, List.of()));
  }

  /** Three numbers in [low, high], one a colour channel. */
  List<Double> threeDoubles(String name, double low, double high) {
    List<Double> values = read(name, config::getDoubleList);
    if (values == null || values.size() != 3) {
      problems.add(key(name) + ": needs 3 numbers");
      return List.of(low, low, low);
    }
    boolean valid = values.stream().allMatch(v -> v >= low && v <= high);
    return checked(name, values, valid, "[" + low + ", " + high + "]", List.of(low, low, low));
  }

  String text(String name) {
    String value = read(name, config::getString);
    if (value != null && value.isBlank()) {
      problems.add(key(name) + ": is empty");
    }
    return value == null ? "" : value;
  }

  /** A string that may be left unset; null then. */
  String optionalText(String name) {
    return isNull(name) ? null : text(name);
  }

  String oneOf(String name, List<String> allowed) {
    String value = text(name).toLowerCase(Locale.ROOT);
    if (!allowed.contains(value) && !value.isBlank()) {
      problems.add(key(name) + ": " + value + " is not one of " + String.join(", ", allowed));
    }
    return value;
  }

  boolean bool(String name) {
    Boolean value = read(name, config::getBoolean);
    return value != null && value;
  }

  /** A text of a form that {@code allowed} describes. */
  String matching(String name, Pattern form, String allowed) {
    String value = text(name).toLowerCase(Locale.ROOT);
    if (!form.matcher(value).matches() && !value.isBlank()) {
      problems.add(key(name) + ": " + value + " is not " + allowed);
    }
    return value;
  }

  private boolean isNull(String name) {
    try {
      return config.getIsNull(key(name));
    } catch (ConfigException e) {
      return false; // reading it says why
    }
  }

  private <T> T checked(String name, T value, boolean valid, String range, T fallback) {
    if (!valid) {
      problems.add(key(name) + ": " + value + " is not in " + range);
      return fallback;
    }
    return value;
  }

  private <T> T read(String name, Function<String, T> getter) {
    try {
      return getter.apply(key(name));
    } catch (ConfigException.Missing e) {
      problems.add(key(name) + ": is not set");
    } catch (ConfigException.WrongType | ConfigException.BadValue e) {
      problems.add(key(name) + ": cannot read " + found(name) + " as a value");
    }
    return null;
  }

  private Object found(String name) {
    try {
      return config.getValue(key(name)).unwrapped();
    } catch (ConfigException e) {
      return "a part of what is no section";
    }
  }

  private String key(String name) {
    return path.isEmpty() ? name : path + "." + name;
  }
}
