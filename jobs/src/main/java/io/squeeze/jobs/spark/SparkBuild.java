package io.squeeze.jobs.spark;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.Properties;

/**
 * The Spark that this jar was built for.
 *
 * @param version such as 4.2.0
 * @param scala such as 2.13
 */
public record SparkBuild(String version, String scala) {
  /** What the build wrote down. */
  public static SparkBuild read() {
    try (InputStream in = SparkBuild.class.getResourceAsStream("build.properties")) {
      Properties properties = new Properties();
      properties.load(in);
      return new SparkBuild(properties.getProperty("spark"), properties.getProperty("scala"));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Major and minor version, such as 4.2: what jars of one Spark are made for. */
  public String line() {
    return line(version);
  }

  /** The same of another version. */
  public static String line(String version) {
    return version.replaceFirst("^(\\d+\\.\\d+).*$", "$1");
  }

  /** Whether a Java of this feature version runs it: Spark 3.5 knows nothing after 17. */
  public boolean runsOn(int java) {
    return java >= 17 && (java == 17 || !version.startsWith("3."));
  }
}
