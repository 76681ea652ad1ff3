package io.squeeze.jobs.extract;

import io.squeeze.jobs.publish.Place;
import java.io.IOException;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * The files that earlier runs left in a place, whole or not.
 *
 * @param files names by their stem
 */
record Earlier(Map<String, List<String>> files) implements Serializable {

  static Earlier in(Place place) throws IOException {
    Map<String, List<String>> files = new HashMap<>();
    for (String file : place.storage().files(place.rows()).keySet()) {
      if (file.startsWith(SourceFiles.FOLDER)) {
        continue;
      }
      files.computeIfAbsent(FilePlan.stemOf(file), stem -> new ArrayList<>()).add(file);
    }
    return new Earlier(files);
  }

  List<String> of(String stem) {
    return files.getOrDefault(stem, List.of());
  }
}
