package io.squeeze.config;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigException;
import com.typesafe.config.ConfigFactory;
import com.typesafe.config.ConfigIncludeContext;
import com.typesafe.config.ConfigIncluder;
import com.typesafe.config.ConfigIncluderClasspath;
import com.typesafe.config.ConfigIncluderFile;
import com.typesafe.config.ConfigIncluderURL;
import com.typesafe.config.ConfigObject;
import com.typesafe.config.ConfigParseOptions;
import java.io.File;
import java.net.URL;
import java.nio.file.Path;
import java.util.function.Supplier;

/**
 * Reads HOCON in files that the user names. They may include other files and read the environment;
 * they never include a URL. What others may have written is {@link Json}.
 */
public final class Hocon {
  private static final ConfigParseOptions OPTIONS =
      ConfigParseOptions.defaults().setAllowMissing(false).setIncluder(new FilesOnly(null));

  private Hocon() {}

  /**
   * A file with what it includes, unresolved. Its full path counts: what a file without a folder
   * includes would not be looked for beside it.
   *
   * @throws ConfigException if it cannot be read
   */
  public static Config file(Path path) {
    return shallow(() -> ConfigFactory.parseFile(path.toAbsolutePath().toFile(), OPTIONS));
  }

  /**
   * Text, resolved.
   *
   * @throws ConfigException if it cannot be read
   */
  public static Config text(String text) {
    return shallow(() -> ConfigFactory.parseString(text, OPTIONS).resolve());
  }

  /** The parser calls itself for each bracket. */
  private static Config shallow(Supplier<Config> parsing) {
    try {
      return parsing.get();
    } catch (StackOverflowError e) {
      throw new ConfigException.Generic("its brackets are nested too deeply");
    }
  }

  /** The library's own includer without URLs. */
  private record FilesOnly(ConfigIncluder own)
      implements ConfigIncluder, ConfigIncluderFile, ConfigIncluderClasspath, ConfigIncluderURL {

    @Override
    public ConfigIncluder withFallback(ConfigIncluder fallback) {
      return new FilesOnly(fallback);
    }

    @Override
    public ConfigObject include(ConfigIncludeContext context, String what) {
      if (what.contains(":/")) {
        throw refused(what);
      }
      return own.include(context, what);
    }

    @Override
    public ConfigObject includeFile(ConfigIncludeContext context, File what) {
      return ((ConfigIncluderFile) own).includeFile(context, what);
    }

    @Override
    public ConfigObject includeResources(ConfigIncludeContext context, String what) {
      return ((ConfigIncluderClasspath) own).includeResources(context, what);
    }

    @Override
    public ConfigObject includeURL(ConfigIncludeContext context, URL what) {
      throw refused(what.toString());
    }

    private static ConfigException refused(String what) {
      return new ConfigException.Generic("it includes " + what + ": only files may be included");
    }
  }
}
