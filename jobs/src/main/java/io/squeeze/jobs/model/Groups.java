package io.squeeze.jobs.model;

import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;

/** Things in groups of at most so many. */
public record Groups<T>(Iterator<T> things, int most) implements Iterator<List<T>> {
  @Override
  public boolean hasNext() {
    return things.hasNext();
  }

  @Override
  public List<T> next() {
    List<T> group = new ArrayList<>();
    while (group.size() < most && things.hasNext()) {
      group.add(things.next());
    }
    return group;
  }
}
