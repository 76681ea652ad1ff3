package io.squeeze.config;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.typesafe.config.Config;
import com.typesafe.config.ConfigException;
import com.typesafe.config.ConfigFactory;
import com.typesafe.config.ConfigParseOptions;
import com.typesafe.config.ConfigSyntax;

/**
 * Writes JSON, and reads JSON that somebody else may have written. That is data: nothing is
 * included, the environment is not read, and length and depth are limited.
 */
public final class Json {
  private static final int CHARACTERS = 64 << 20;
  private static final int DEPTH = 100;

  private static final ObjectMapper MAPPER =
      JsonMapper.builder(
              JsonFactory.builder()
                  .streamReadConstraints(
                      StreamReadConstraints.builder()
                          .maxNestingDepth(DEPTH)
                          .maxStringLength(CHARACTERS)
                          .build())
                  .build())
          .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
          .build();

  private Json() {}

  /** JSON for people and scripts, with a line for each field. */
  public static String pretty(Object value) {
    try {
      return MAPPER.writerWithDefaultPrettyPrinter().writeValueAsString(value) + "\n";
    } catch (JsonProcessingException e) {
      throw new IllegalStateException("Cannot write as JSON: " + value, e);
    }
  }

  /**
   * Any JSON.
   *
   * @param what is read, for messages
   * @throws SqueezeException of category input if it is no JSON, too long or too deep
   */
  public static JsonNode tree(String text, String what) {
    return read(text, what, () -> MAPPER.readTree(text));
  }

  /**
   * JSON as a record. A field that the record lacks is refused, a missing one is null or zero.
   *
   * @param what is read, for messages
   * @throws SqueezeException of category input if it is no JSON of this kind
   */
  public static <T> T value(String text, Class<T> type, String what) {
    T value = read(text, what, () -> MAPPER.readValue(text, type));
    if (value == null) {
      throw invalid(what, "it holds nothing", null);
    }
    return value;
  }

  /**
   * JSON as settings.
   *
   * @param what is read, for messages
   * @throws SqueezeException of category input if it is no JSON object
   */
  public static Config config(String text, String what) {
    if (!tree(text, what).isObject()) {
      throw invalid(what, "it is no JSON object", null);
    }
    try {
      return ConfigFactory.parseString(
          text, ConfigParseOptions.defaults().setSyntax(ConfigSyntax.JSON));
    } catch (ConfigException e) {
      throw invalid(what, e.getMessage(), e);
    }
  }

  private static <T> T read(String text, String what, Reading<T> reading) {
    if (text == null) {
      throw invalid(what, "it holds nothing", null);
    }
    if (text.length() > CHARACTERS) {
      throw invalid(what, "it is longer than " + CHARACTERS + " characters", null);
    }
    try {
      return reading.get();
    } catch (JsonProcessingException e) {
      throw invalid(what, e.getOriginalMessage(), e);
    }
  }

  private static SqueezeException invalid(String what, String why, Exception cause) {
    return SqueezeException.input("Cannot read " + what + ": " + why, cause);
  }

  private interface Reading<T> {
    T get() throws JsonProcessingException;
  }
}
