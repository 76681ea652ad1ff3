package io.squeeze.track;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import java.util.Map;

/**
 * The addresses of a ClearML server, and our credentials for it. Only the addresses are ever shown.
 *
 * @param api address of the API server
 * @param web address that people open; null where it is not known
 * @param files address of the file server; null for none
 */
public record ClearMlCredentials(String api, String web, String files, String key, String secret) {
  private static final String PUBLIC = "https://api.clear.ml";

  /**
   * Reads a file. The environment overrides it: CLEARML_API_HOST, CLEARML_WEB_HOST,
   * CLEARML_FILES_HOST, CLEARML_API_ACCESS_KEY, CLEARML_API_SECRET_KEY. With the public API server,
   * the public web and file servers are used. Nothing from a private server goes to them.
   *
   * @param yaml with the keys api_host, web_host, files_host, api_key, api_secret; null without one
   * @throws IllegalArgumentException if the file is no YAML, key or secret is missing, or an
   *     address holds a password
   */
  public static ClearMlCredentials of(String yaml, Map<String, String> environment) {
    JsonNode file = parsed(yaml);
    String key = value(file, "api_key", environment.get("CLEARML_API_ACCESS_KEY"));
    String secret = value(file, "api_secret", environment.get("CLEARML_API_SECRET_KEY"));
    if (key == null || secret == null) {
      throw new IllegalArgumentException((key == null ? "api_key" : "api_secret") + " is not set");
    }
    String api = address(file, "api_host", environment.get("CLEARML_API_HOST"), PUBLIC);
    boolean hosted = api.equals(PUBLIC);
    String web = hosted ? "https://app.clear.ml" : null;
    String files = hosted ? "https://files.clear.ml" : null;
    return new ClearMlCredentials(
        api,
        address(file, "web_host", environment.get("CLEARML_WEB_HOST"), web),
        address(file, "files_host", environment.get("CLEARML_FILES_HOST"), files),
        key,
        secret);
  }

  private static JsonNode parsed(String yaml) {
    YAMLMapper mapper = new YAMLMapper();
    if (yaml == null) {
      return mapper.createObjectNode();
    }
    try {
      return mapper.readTree(yaml);
    } catch (JsonProcessingException e) {
      // Its message would quote the file.
      throw new IllegalArgumentException(
          "line " + (e.getLocation() == null ? 1 : e.getLocation().getLineNr()) + " is no YAML");
    }
  }

  private static String address(JsonNode file, String key, String environment, String otherwise) {
    String address = value(file, key, environment);
    if (address == null) {
      return otherwise;
    }
    if (address.contains("@")) {
      throw new IllegalArgumentException(key + " holds a user or password: remove it there");
    }
    return address.replaceAll("/+$", "");
  }

  /** Null where it is neither in the file nor in the environment. */
  private static String value(JsonNode file, String key, String environment) {
    String value = environment == null ? file.path(key).asText("") : environment;
    return value.isBlank() ? null : value.strip();
  }

  @Override
  public String toString() {
    return "ClearML at " + api;
  }
}
