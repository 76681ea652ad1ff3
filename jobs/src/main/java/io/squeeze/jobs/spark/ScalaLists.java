package io.squeeze.jobs.spark;

import java.util.AbstractList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import scala.Tuple2;
import scala.collection.Iterator;
import scala.collection.Seq;

/** Scala's collections as Java's, by what the collections of Scala 2.12 and 2.13 have in common. */
public final class ScalaLists {
  private ScalaLists() {}

  /** The elements, not copied. */
  public static <T> List<T> of(Seq<T> seq) {
    return new AbstractList<>() {
      @Override
      public T get(int index) {
        return seq.apply(index);
      }

      @Override
      public int size() {
        return seq.size();
      }
    };
  }

  /** The entries in their order. */
  public static <K, V> Map<K, V> of(scala.collection.Map<K, V> map) {
    Map<K, V> entries = new LinkedHashMap<>();
    for (Iterator<Tuple2<K, V>> all = map.iterator(); all.hasNext(); ) {
      Tuple2<K, V> entry = all.next();
      entries.put(entry._1(), entry._2());
    }
    return entries;
  }
}
