package io.squeeze.jobs.model;

import java.util.Collections;
import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.function.Function;

/** What a function makes of each of some things, one after the other. */
public final class Expanded<A, B> implements Iterator<B> {
  private final Iterator<A> source;
  private final Function<A, List<B>> function;
  private Iterator<B> ready = Collections.emptyIterator();

  public Expanded(Iterator<A> source, Function<A, List<B>> function) {
    this.source = source;
    this.function = function;
  }

  @Override
  public boolean hasNext() {
    while (!ready.hasNext() && source.hasNext()) {
      ready = function.apply(source.next()).iterator();
    }
    return ready.hasNext();
  }

  @Override
  public B next() {
    if (!hasNext()) {
      throw new NoSuchElementException();
    }
    return ready.next();
  }
}
