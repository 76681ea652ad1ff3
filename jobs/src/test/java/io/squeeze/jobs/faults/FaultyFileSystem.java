package io.squeeze.jobs.faults;

import io.squeeze.jobs.storage.FolderLock;
import io.squeeze.jobs.storage.HadoopStorage;
import java.io.FilterOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.net.URI;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.StandardCopyOption;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.DelegateToFileSystem;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.RawLocalFileSystem;
import org.apache.hadoop.fs.permission.FsPermission;
import org.apache.spark.sql.SparkSession;

/** This machine's disk under the scheme {@code faulty:}, which fails as a test asks for. */
public final class FaultyFileSystem extends RawLocalFileSystem {
  public static final String SCHEME = "faulty";

  /** What happens at an operation, before it is done; nothing in executors, see {@link Ending}. */
  private static volatile Fault fault = (operation, path) -> Outcome.DONE;

  private static final URI NAME = URI.create(SCHEME + ":///");

  /** Decides about one operation: {@code open, create, write, close, rename} or {@code delete}. */
  public interface Fault {
    Outcome at(String operation, String path) throws IOException;
  }

  /** How an operation goes that did not throw at once. */
  public enum Outcome {
    DONE,
    /** It is done, and the answer is lost. */
    DONE_AND_LOST,
    /** Nothing is done, and Hadoop's way to say so is {@code false}. */
    REFUSED
  }

  /** What a session needs to know the scheme. */
  public static SparkSession.Builder on(SparkSession.Builder session) {
    return session
        .config("spark.hadoop.fs.faulty.impl", FaultyFileSystem.class.getName())
        .config("spark.hadoop.fs.AbstractFileSystem.faulty.impl", Context.class.getName());
  }

  /** Storage under the scheme without a session; a lock that is empty is looked at once more. */
  public static HadoopStorage storage() {
    Configuration configuration = new Configuration();
    configuration.set("fs.faulty.impl", FaultyFileSystem.class.getName());
    configuration.set("fs.AbstractFileSystem.faulty.impl", Context.class.getName());
    configuration.setLong(FolderLock.LOOK_MILLIS, 1);
    return new HadoopStorage(configuration);
  }

  public static void fault(Fault next) {
    fault = next;
  }

  public static void none() {
    fault = (operation, path) -> Outcome.DONE;
  }

  /** Something that may throw. */
  public interface Action {
    void run() throws Exception;
  }

  /** Does something without a fault. */
  public static void pause(Action action) throws Exception {
    Fault before = fault;
    none();
    try {
      action.run();
    } finally {
      fault = before;
    }
  }

  @Override
  public URI getUri() {
    return NAME;
  }

  @Override
  public String getScheme() {
    return SCHEME;
  }

  /** A chmod for each file would take longer than the tests. */
  @Override
  public void setPermission(Path path, FsPermission permission) {}

  private Outcome at(String operation, Path path) throws IOException {
    Ending.at(getConf(), operation, path);
    return fault.at(operation, path.toUri().getPath());
  }

  private static IOException lost(String operation, Path path) {
    return new IOException("No answer to " + operation + " of " + path);
  }

  @Override
  public FSDataInputStream open(Path path, int bufferSize) throws IOException {
    at("open", path);
    return super.open(path, bufferSize);
  }

  @Override
  protected OutputStream createOutputStreamWithMode(
      Path path, boolean append, FsPermission permission) throws IOException {
    Outcome created = at("create", path);
    OutputStream file = super.createOutputStreamWithMode(path, append, permission);
    if (created != Outcome.DONE) {
      file.close();
      throw lost("create", path);
    }
    return new FilterOutputStream(file) {
      private boolean closed;

      @Override
      public void write(byte[] bytes, int offset, int length) throws IOException {
        Outcome written = at("write", path);
        out.write(bytes, offset, length);
        if (written != Outcome.DONE) {
          throw lost("write", path);
        }
      }

      @Override
      public void close() throws IOException {
        if (!closed) {
          closed = true;
          out.close();
          if (at("close", path) != Outcome.DONE) {
            throw lost("close", path);
          }
        }
      }
    };
  }

  /** What answers by true and false. */
  private interface Change {
    boolean make() throws IOException;
  }

  private boolean changed(String operation, Path path, Change change) throws IOException {
    Outcome outcome = at(operation, path);
    boolean done = outcome != Outcome.REFUSED && change.make();
    if (outcome == Outcome.DONE_AND_LOST) {
      throw lost(operation, path);
    }
    return done;
  }

  @Override
  public boolean rename(Path from, Path to) throws IOException {
    return changed("rename", to, () -> super.rename(from, to));
  }

  @Override
  public boolean delete(Path path, boolean recursive) throws IOException {
    return changed("delete", path, () -> super.delete(path, recursive));
  }

  /** The same for Hadoop's other interface. */
  public static final class Context extends DelegateToFileSystem {
    public Context(URI uri, Configuration configuration) throws IOException, URISyntaxException {
      super(uri, new FaultyFileSystem(), configuration, SCHEME, false);
    }

    /** At once, as on HDFS. */
    @Override
    public void renameInternal(Path from, Path to, boolean overwrite) throws IOException {
      Outcome outcome = ((FaultyFileSystem) fsImpl).at("rename", to);
      if (outcome != Outcome.REFUSED) {
        Files.move(
            java.nio.file.Path.of(from.toUri().getPath()),
            java.nio.file.Path.of(to.toUri().getPath()),
            StandardCopyOption.ATOMIC_MOVE);
      }
      if (outcome != Outcome.DONE) {
        throw lost("rename", to);
      }
    }
  }
}
