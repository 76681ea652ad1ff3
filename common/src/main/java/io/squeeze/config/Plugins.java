package io.squeeze.config;

import java.util.Optional;
import java.util.ServiceLoader;
import java.util.TreeSet;
import java.util.function.Function;

/** Finds implementations of an interface by a short name, or by the name of their class. */
public final class Plugins {
  private Plugins() {}

  /**
   * The implementation of a name: one that {@code META-INF/services} lists, else a class.
   *
   * @throws SqueezeException of category configuration if the class is no such implementation
   */
  public static <T> Optional<T> find(Class<T> type, Function<T, String> nameOf, String name) {
    ClassLoader loader = Thread.currentThread().getContextClassLoader();
    for (T listed : ServiceLoader.load(type, loader)) {
      if (nameOf.apply(listed).equals(name)) {
        return Optional.of(listed);
      }
    }
    try {
      // A name may come from a file of somebody else: no class runs before it is known to fit.
      Class<? extends T> found = Class.forName(name, false, loader).asSubclass(type);
      return Optional.of(found.getConstructor().newInstance());
    } catch (ClassNotFoundException e) {
      return Optional.empty();
    } catch (ReflectiveOperationException | ClassCastException e) {
      throw SqueezeException.configuration(
          ("Cannot use the class %s: it must implement %s and have a public constructor "
                  + "without arguments")
              .formatted(name, type.getSimpleName()));
    }
  }

  /**
   * The implementation of a name, as {@link #find}.
   *
   * @param what it is, and the option that names it, for a message
   * @throws SqueezeException of category configuration, with the known names, if there is none
   */
  public static <T> T named(
      Class<T> type, Function<T, String> nameOf, String name, String what, String option) {
    return find(type, nameOf, name)
        .orElseThrow(
            () ->
                SqueezeException.configuration(
                    "No %s %s (%s): there are %s, or the class of a %s on the class path"
                        .formatted(what, name, option, names(type, nameOf), type.getSimpleName())));
  }

  /** The short names that can be found, for a message. */
  public static <T> String names(Class<T> type, Function<T, String> nameOf) {
    TreeSet<String> names = new TreeSet<>();
    ServiceLoader.load(type, Thread.currentThread().getContextClassLoader())
        .forEach(listed -> names.add(nameOf.apply(listed)));
    return String.join(", ", names);
  }
}
