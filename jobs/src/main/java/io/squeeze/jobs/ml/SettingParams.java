package io.squeeze.jobs.ml;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import io.squeeze.config.Settings;
import java.io.Serializable;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.apache.spark.ml.param.Param;
import org.apache.spark.ml.param.Params;

/** The parameters of a stage that are settings of the commands. */
final class SettingParams implements Serializable {
  private static final long serialVersionUID = 1L;

  private final Map<Param<?>, String> keys = new LinkedHashMap<>();

  /** A parameter, which is the setting of this key from now on. */
  <P extends Param<?>> P of(P param, String key) {
    keys.put(param, key);
    return param;
  }

  /** The settings that were set as parameters, over others. */
  Settings over(Config others, Params stage) {
    Map<String, Object> given = new LinkedHashMap<>();
    keys.forEach(
        (param, key) -> {
          if (stage.isSet(param)) {
            Object value = stage.getOrDefault(param);
            given.put(
                key,
                value instanceof double[] several
                    ? Arrays.stream(several).boxed().toList()
                    : value.toString());
          }
        });
    return Settings.load(List.of(others, ConfigFactory.parseMap(given)));
  }
}
