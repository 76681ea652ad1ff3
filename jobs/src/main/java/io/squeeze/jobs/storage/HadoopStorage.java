package io.squeeze.jobs.storage;

import io.squeeze.storage.RandomReader;
import io.squeeze.storage.Storage;
import java.io.BufferedOutputStream;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.io.ObjectInputStream;
import java.io.ObjectOutputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Spliterator;
import java.util.Spliterators;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.CreateFlag;
import org.apache.hadoop.fs.EtagSource;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.hadoop.fs.FSDataOutputStreamBuilder;
import org.apache.hadoop.fs.FileAlreadyExistsException;
import org.apache.hadoop.fs.FileContext;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.LocalFileSystem;
import org.apache.hadoop.fs.Options;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.RawLocalFileSystem;
import org.apache.hadoop.fs.RemoteIterator;
import org.apache.hadoop.fs.permission.FsPermission;
import org.apache.hadoop.ipc.RemoteException;

/** Reads and writes whatever path Hadoop knows: local, file:, hdfs:, s3a: and the rest. */
public final class HadoopStorage implements Storage {
  private static final long serialVersionUID = 1L;

  private static final Map<String, FileContext> CONTEXTS = new ConcurrentHashMap<>();

  /** Hadoop's option of a file that appears when it is closed, unless there is one by then. */
  private static final String IF_ABSENT = "fs.option.create.conditional.overwrite";

  private transient Configuration configuration;

  /** Reads and writes as Hadoop is configured. */
  public HadoopStorage(Configuration configuration) {
    this.configuration = configuration;
  }

  /** What Hadoop is configured with. */
  public Configuration configuration() {
    return configuration;
  }

  private void writeObject(ObjectOutputStream out) throws IOException {
    out.defaultWriteObject();
    ConfigurationBytes.write(configuration, out);
  }

  private void readObject(ObjectInputStream in) throws IOException, ClassNotFoundException {
    in.defaultReadObject();
    configuration = ConfigurationBytes.read(in);
  }

  /**
   * The full form of a path, the same on every machine: a relative one is taken from the driver's
   * working directory. The scheme is left out only where it is {@code file} and Hadoop's default.
   */
  public String qualified(String path) throws IOException {
    URI uri = system(path).makeQualified(new Path(path)).toUri();
    URI standard = FileSystem.getDefaultUri(configuration());
    boolean plain = "file".equals(uri.getScheme()) && "file".equals(standard.getScheme());
    return plain ? uri.getPath() : new Path(uri).toString();
  }

  /** A path for Spark's readers, which take brackets and stars for patterns. */
  public static String literal(String path) {
    return path.replaceAll("([\\[\\]{}*?\\\\])", "\\\\$1");
  }

  /** The same path for Java, where it lies on this machine's disk. */
  public Optional<java.nio.file.Path> local(String path) throws IOException {
    URI uri = system(path).makeQualified(new Path(path)).toUri();
    return "file".equals(uri.getScheme())
        ? Optional.of(java.nio.file.Path.of(uri.getPath()))
        : Optional.empty();
  }

  @Override
  public byte[] bytes(String path, int most) throws IOException {
    Optional<java.nio.file.Path> local = local(path);
    return local.isPresent()
        ? Storage.local().bytes(local.get().toString(), most)
        : Storage.super.bytes(path, most);
  }

  @Override
  public InputStream open(String path) throws IOException {
    return opened(path);
  }

  private FSDataInputStream opened(String path) throws IOException {
    try {
      return system(path).open(new Path(path));
    } catch (FileNotFoundException e) {
      // Hadoop says of a local file without permission that it is not there.
      Optional<java.nio.file.Path> local = local(path);
      if (local.isPresent() && Files.exists(local.get()) && !Files.isReadable(local.get())) {
        AccessDeniedException denied = new AccessDeniedException(path, null, "permission denied");
        denied.initCause(e);
        throw denied;
      }
      throw e;
    }
  }

  @Override
  public RandomReader openRandom(String path) throws IOException {
    long length = length(path);
    FSDataInputStream in = opened(path);
    return new RandomReader() {
      @Override
      public long length() {
        return length;
      }

      @Override
      public void readFully(long position, byte[] target, int offset, int size) throws IOException {
        in.readFully(position, target, offset, size);
      }

      @Override
      public void close() throws IOException {
        in.close();
      }
    };
  }

  @Override
  public long length(String path) throws IOException {
    return system(path).getFileStatus(new Path(path)).getLen();
  }

  @Override
  public boolean exists(String path) throws IOException {
    return system(path).exists(new Path(path));
  }

  @Override
  public Stream<Entry> list(String folder) throws IOException {
    return states(folder).map(file -> new Entry(file.path(), file.bytes()));
  }

  /** The files directly in a folder, with what tells that one has changed. */
  public Stream<TableFile> states(String folder) throws IOException {
    RemoteIterator<FileStatus> statuses = system(folder).listStatusIterator(new Path(folder));
    Spliterator<TableFile> files =
        new Spliterators.AbstractSpliterator<>(Long.MAX_VALUE, Spliterator.NONNULL) {
          @Override
          public boolean tryAdvance(java.util.function.Consumer<? super TableFile> action) {
            try {
              if (!statuses.hasNext()) {
                return false;
              }
              FileStatus status = statuses.next();
              if (status.isFile()) {
                action.accept(state(status));
              }
              return true;
            } catch (IOException e) {
              throw new UncheckedIOException(e);
            }
          }
        };
    return StreamSupport.stream(files, false);
  }

  @Override
  public Stream<String> folders(String folder) throws IOException {
    if (!exists(folder)) {
      return Stream.empty();
    }
    return Stream.of(system(folder).listStatus(new Path(folder)))
        .filter(FileStatus::isDirectory)
        .map(status -> status.getPath().getName())
        .sorted();
  }

  /**
   * All files below a folder, by their path from there, with their length in bytes. Hidden ones
   * (checksums) are left out; none where there is no such folder.
   */
  public Map<String, Long> files(String folder) throws IOException {
    Map<String, Long> found = new TreeMap<>();
    if (exists(folder)) {
      collect(folder, "", found);
    }
    return found;
  }

  private void collect(String folder, String below, Map<String, Long> into) throws IOException {
    for (FileStatus status : system(folder).listStatus(new Path(folder))) {
      String name = status.getPath().getName();
      if (status.isDirectory()) {
        collect(Storage.join(folder, name), below + name + "/", into);
      } else if (!name.startsWith(".")) {
        into.put(below + name, status.getLen());
      }
    }
  }

  /**
   * The data files of somebody's table, sorted by path: the file itself, all files below a folder,
   * or those that a pattern names, where nothing has that name literally. As Spark does, it leaves
   * out names that begin with {@code _} or a dot.
   */
  public List<TableFile> tableFiles(String path) throws IOException {
    FileSystem system = system(path);
    List<FileStatus> roots = new ArrayList<>();
    if (system.exists(new Path(path))) {
      roots.add(system.getFileStatus(new Path(path)));
    } else {
      FileStatus[] matching = system.globStatus(new Path(path));
      roots.addAll(matching == null ? List.of() : List.of(matching));
    }
    List<TableFile> found = new ArrayList<>();
    for (FileStatus root : roots) {
      collect(system, root, found);
    }
    found.sort(Comparator.comparing(TableFile::path));
    return found;
  }

  private static TableFile state(FileStatus status) {
    String tag = status instanceof EtagSource tagged ? tagged.getEtag() : null;
    return new TableFile(
        status.getPath().toString(),
        status.getLen(),
        status.getModificationTime(),
        tag == null ? "" : tag);
  }

  private static void collect(FileSystem system, FileStatus status, List<TableFile> into)
      throws IOException {
    if (status.isFile()) {
      into.add(state(status));
      return;
    }
    RemoteIterator<FileStatus> below = system.listStatusIterator(status.getPath());
    while (below.hasNext()) {
      FileStatus next = below.next();
      if (!next.getPath().getName().matches("[._].*")) {
        collect(system, next, into);
      }
    }
  }

  /**
   * Creates a file; returns false if it exists already. If two processes do so at the same time,
   * one succeeds, on local disks, on HDFS, and on S3 with Hadoop 3.4.2 or newer. Other object
   * stores promise this only if the processes come one after the other.
   */
  public boolean create(String path, String text) throws IOException {
    Optional<java.nio.file.Path> local = local(path);
    if (local.isPresent()) {
      Files.createDirectories(local.get().getParent());
    } else if (system(path).hasPathCapability(new Path(path), IF_ABSENT)) {
      return createIfAbsent(path, text);
    }
    try (OutputStream out =
        local.isPresent()
            ? Files.newOutputStream(local.get(), StandardOpenOption.CREATE_NEW)
            : system(path).create(new Path(path), false)) {
      out.write(text.getBytes(StandardCharsets.UTF_8));
      return true;
    } catch (FileAlreadyExistsException | java.nio.file.FileAlreadyExistsException e) {
      return false;
    } catch (RemoteException e) {
      // HDFS, where another process is about to close it.
      if (e.getClassName().endsWith("AlreadyBeingCreatedException")) {
        return false;
      }
      throw e;
    }
  }

  /** The store itself looks whether there is such a file, when it takes this one. */
  private boolean createIfAbsent(String path, String text) throws IOException {
    FSDataOutputStreamBuilder<?, ?> builder =
        system(path).createFile(new Path(path)).overwrite(true).recursive();
    builder.must(IF_ABSENT, true);
    try (OutputStream out = builder.build()) {
      out.write(text.getBytes(StandardCharsets.UTF_8));
    } catch (IOException e) {
      if (exists(path)) {
        return false;
      }
      throw e;
    }
    return true;
  }

  /** Opens a file that must not exist for writing. */
  public FSDataOutputStream write(String path) throws IOException {
    FileSystem system = system(path);
    boolean plain =
        system instanceof LocalFileSystem
            && FsPermission.getUMask(configuration()).toShort() == FsPermission.DEFAULT_UMASK;
    return (plain ? WithoutChmod.SYSTEM : system).create(new Path(path), false);
  }

  /**
   * The local disk with permissions by the process's umask. Hadoop's own starts a chmod for every
   * file and another one for its checksum, to set what is there: 10 ms a file.
   */
  private static final class WithoutChmod extends RawLocalFileSystem {
    static final FileSystem SYSTEM = new LocalFileSystem(new WithoutChmod());

    static {
      try {
        SYSTEM.initialize(URI.create("file:///"), new Configuration());
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }

    @Override
    public void setPermission(Path path, FsPermission permission) {}
  }

  /** Deletes a file or a folder with all that it holds; nothing where there is none. */
  public void delete(String path) throws IOException {
    if (exists(path) && !system(path).delete(new Path(path), true)) {
      throw new IOException("Cannot delete " + path);
    }
  }

  /** Moves a file or folder to a name that must be free. */
  public void move(String from, String to) throws IOException {
    // Hadoop moves into a folder that exists.
    if (exists(to) || !system(from).rename(new Path(from), new Path(to))) {
      throw new IOException("Cannot move " + from + " to " + to);
    }
  }

  /** Writes bytes to a stream. */
  public interface Content {
    void writeTo(OutputStream out) throws IOException;
  }

  /**
   * Replaces a whole file: a reader sees the old content or the new one. Local disks and HDFS do
   * this in one step. Object stores delete the old file first, so for a moment there is none.
   */
  public void replace(String path, Content content) throws IOException {
    Path target = system(path).makeQualified(new Path(path));
    // The part does not have the file's name, because TensorBoard reads every file with tfevents in
    // its name.
    String hash = Integer.toHexString(target.getName().hashCode());
    Path part = new Path(target.getParent(), "_" + hash + ".part");
    Optional<java.nio.file.Path> local = local(path);
    if (local.isPresent()) {
      // Not through Hadoop, which deletes the old one first, and leaves a hidden checksum beside
      // a file that a person may edit.
      java.nio.file.Path beside = local.get().resolveSibling(part.getName());
      Files.createDirectories(beside.getParent());
      try (OutputStream out = new BufferedOutputStream(Files.newOutputStream(beside))) {
        content.writeTo(out);
      }
      Files.move(beside, local.get(), StandardCopyOption.ATOMIC_MOVE);
      return;
    }
    FileContext context = context(target.toUri());
    try (OutputStream out =
        context.create(
            part,
            EnumSet.of(CreateFlag.CREATE, CreateFlag.OVERWRITE),
            Options.CreateOpts.createParent())) {
      content.writeTo(out);
    }
    context.rename(part, target, Options.Rename.OVERWRITE);
  }

  /** Hadoop makes a client for each that it is asked for, and closes none. */
  private FileContext context(URI uri) throws IOException {
    String system = uri.getScheme() + "://" + uri.getAuthority();
    FileContext known = CONTEXTS.get(system);
    if (known == null) {
      known = FileContext.getFileContext(uri, configuration());
      CONTEXTS.put(system, known);
    }
    return known;
  }

  /** Replaces a text file whole. */
  public void replace(String path, String text) throws IOException {
    replace(path, out -> out.write(text.getBytes(StandardCharsets.UTF_8)));
  }

  private FileSystem system(String path) throws IOException {
    return new Path(path).getFileSystem(configuration());
  }
}
