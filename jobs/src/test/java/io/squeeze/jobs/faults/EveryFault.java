package io.squeeze.jobs.faults;

import static org.assertj.core.api.Assertions.assertThat;

import io.squeeze.jobs.faults.FaultyFileSystem.Outcome;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Lets every operation of {@link FaultyFileSystem} that writes fail, one after the other, in every
 * way in which storage fails. Whatever is published must stay whole, and the same work again must
 * end as if nothing had happened.
 */
public final class EveryFault {
  private static final Set<String> WRITING = Set.of("create", "write", "close", "rename", "delete");

  private final List<String> tried = new ArrayList<>();

  /** How an operation fails. */
  private enum Kind {
    /** It and all that follow: the process is dead, or the disk is full. */
    FROM_NOW_ON,
    ONCE,
    /** It is done, and storage says that it is not. */
    DONE_AND_LOST,
    /** It is not done, and Hadoop's way to say so is {@code false}. */
    REFUSED
  }

  /** What is done in a place of this name, and what of it is there then. */
  public interface Work {
    Object run(String name) throws Exception;
  }

  /** Tries all operations of some work in all ways. */
  public static EveryFault of(String what, Work work, Work left) throws Exception {
    return disturbed(what, true, work, left);
  }

  /**
   * Tries as many operations as there are ways, from the first to the last, each in one way.
   *
   * @param left what is published; {@link Optional#empty} for nothing
   */
  public static EveryFault some(String what, Work work, Work left) throws Exception {
    return disturbed(what, false, work, left);
  }

  private static EveryFault disturbed(String what, boolean all, Work work, Work left)
      throws Exception {
    EveryFault fault = new EveryFault();
    try {
      fault.disturb(what, all, work, left);
    } finally {
      FaultyFileSystem.none();
    }
    return fault;
  }

  /** The names of the places, that of the undisturbed run first. */
  public List<String> places() {
    return tried;
  }

  private void disturb(String what, boolean all, Work work, Work left) throws Exception {
    List<String> operations = Collections.synchronizedList(new ArrayList<>());
    FaultyFileSystem.fault(
        (operation, path) -> {
          if (WRITING.contains(operation)) {
            operations.add(operation);
          }
          return Outcome.DONE;
        });
    Object expected = work.run(what);
    FaultyFileSystem.none();
    tried.add(what);
    int last = operations.size();
    assertThat(last).isGreaterThan(5);
    List<Kind> kinds = List.of(Kind.values());
    int every = all ? 1 : last / kinds.size();
    for (int at = 1 + every / 2; at <= last; at += every) {
      int one = at / every % kinds.size();
      for (Kind kind : all ? kinds : kinds.subList(one, one + 1)) {
        String where = kind + " at operation " + at + " of " + last + ", " + operations.get(at - 1);
        String name = what + at + kind;
        tried.add(name);
        AtomicBoolean struck = fail(at, kind);
        try {
          assertThat(work.run(name)).as(where).isEqualTo(expected);
        } catch (Exception e) {
          where += ": " + e;
        }
        FaultyFileSystem.none();
        assertThat(struck).as(where).isTrue();
        assertThat(left.run(name)).as(where).isIn(expected, Optional.empty());
        assertThat(work.run(name)).as(where).isEqualTo(expected);
      }
    }
  }

  /** From now on an operation fails; whether it has. */
  private static AtomicBoolean fail(int at, Kind kind) {
    AtomicInteger operations = new AtomicInteger();
    AtomicBoolean struck = new AtomicBoolean();
    FaultyFileSystem.fault(
        (operation, path) -> {
          if (!WRITING.contains(operation)) {
            return Outcome.DONE;
          }
          int number = operations.incrementAndGet();
          if (number != at && (number < at || kind != Kind.FROM_NOW_ON)) {
            return Outcome.DONE;
          }
          struck.set(true);
          if (kind == Kind.DONE_AND_LOST) {
            return Outcome.DONE_AND_LOST;
          }
          if (kind == Kind.REFUSED && Set.of("rename", "delete").contains(operation)) {
            return Outcome.REFUSED;
          }
          throw new IOException("Storage fails at " + operation + " of " + path);
        });
    return struck;
  }
}
