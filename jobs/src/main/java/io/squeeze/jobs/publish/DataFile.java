package io.squeeze.jobs.publish;

import com.fasterxml.jackson.annotation.JsonIgnore;
import java.io.Serializable;

/**
 * One file of a version.
 *
 * @param path below the version
 * @param rows 0 of a file that is no table
 * @param sha256 in hex
 */
public record DataFile(String path, long bytes, long rows, String sha256) implements Serializable {

  /** The split that its rows belong to, as its folder says; empty for none. */
  @JsonIgnore
  public String split() {
    int from = path.indexOf(Columns.SPLIT + "=");
    if (from < 0) {
      return "";
    }
    int start = from + Columns.SPLIT.length() + 1;
    int end = path.indexOf('/', start);
    return path.substring(start, end < 0 ? path.length() : end);
  }
}
