package io.squeeze.track;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import java.util.Map;

/**
 * Where a ClearML server is, and who we are there. Nothing of it but the addresses is ever shown.
 *
 * @param api address of the API server
 * @param web address that people open
 * @param files address of the file server
 */
public record ClearMlCredentials(String api, String web, String files, String key, String secret) {

  /**
   * Reads a file, under what the environment says: CLEARML_API_HOST, CLEARML_WEB_HOST,
   * CLEARML_FILES_HOST, CLEARML_API_ACCESS_KEY, CLEARML_API_SECRET_KEY.
   *
   * @param yaml with the keys api_host, web_host, files_host, api_key, api_secret; null without one
   * @throws IllegalArgumentException if the file is none, or key or secret are nowhere
   */
  public static ClearMlCredentials of(String yaml, Map<String, String> environment) {
    JsonNode file = parsed(yaml);
    String key = value(file, "api_key", environment.get("CLEARML_API_ACCESS_KEY"), "");
    String secret = value(file, "api_secret", environment.get("CLEARML_API_SECRET_KEY"), "");
    if (key.isEmpty() || secret.isEmpty()) {
      throw new IllegalArgumentException(
          (key.isEmpty() ? "api_key" : "api_secret") + " is not set");
    }
    return new ClearMlCredentials(
        value(file, "api_host", environment.get("CLEARML_API_HOST"), "https://api.clear.ml"),
        value(file, "web_host", environment.get("CLEARML_WEB_HOST"), "https://app.clear.ml"),
        value(file, "files_host", environment.get("CLEARML_FILES_HOST"), "https://files.clear.ml"),
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

  private static String value(JsonNode file, String key, String environment, String otherwise) {
    String value = environment == null ? file.path(key).asText(otherwise) : environment;
    return value.strip().replaceAll("/+$", "");
  }

  @Override
  public String toString() {
    return "ClearML at " + api;
  }
}
