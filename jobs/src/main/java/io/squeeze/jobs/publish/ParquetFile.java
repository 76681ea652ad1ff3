package io.squeeze.jobs.publish;

import io.squeeze.backbone.BackboneFile;
import io.squeeze.jobs.storage.HadoopStorage;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.Optional;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.ChecksumException;
import org.apache.hadoop.fs.Path;
import org.apache.parquet.example.data.Group;
import org.apache.parquet.example.data.simple.SimpleGroup;
import org.apache.parquet.hadoop.ParquetFileReader;
import org.apache.parquet.hadoop.ParquetWriter;
import org.apache.parquet.hadoop.example.ExampleParquetWriter;
import org.apache.parquet.hadoop.metadata.CompressionCodecName;
import org.apache.parquet.hadoop.util.HadoopInputFile;
import org.apache.parquet.hadoop.util.HadoopOutputFile;
import org.apache.parquet.hadoop.util.HadoopStreams;
import org.apache.parquet.io.OutputFile;
import org.apache.parquet.io.PositionOutputStream;
import org.apache.parquet.schema.MessageType;

/**
 * Writes one Parquet file and takes its digest on the way. Rows can be 6 MB, so the writer looks at
 * its memory after each few of them, where Parquet's default waits for a hundred.
 */
public final class ParquetFile implements AutoCloseable {
  private final ParquetWriter<Group> writer;
  private final MessageType schema;
  private final Digested file;
  private long rows;

  /** Begins a file, which must not exist. */
  public ParquetFile(HadoopStorage storage, String path, MessageType schema) throws IOException {
    Configuration configuration = storage.configuration();
    this.schema = schema;
    this.file =
        new Digested(storage, path, HadoopOutputFile.fromPath(new Path(path), configuration));
    this.writer =
        ExampleParquetWriter.builder(file)
            .withType(schema)
            .withConf(configuration)
            .withCompressionCodec(CompressionCodecName.ZSTD)
            .withMinRowCountForPageSizeCheck(1)
            .withMaxRowCountForPageSizeCheck(10)
            .withRowGroupSize(64L << 20)
            // Every embedding and mask is different: a dictionary only costs memory and time.
            .withDictionaryEncoding(Columns.EMBEDDING, false)
            .withDictionaryEncoding(Columns.MASK, false)
            .build();
  }

  /**
   * Describes a complete file; empty if the file was cut off or is not finished.
   *
   * @param path of the file
   * @param name of it in the answer
   */
  public static Optional<DataFile> find(HadoopStorage storage, String path, String name)
      throws IOException {
    long rows = 0;
    HadoopInputFile input = HadoopInputFile.fromPath(new Path(path), storage.configuration());
    try (ParquetFileReader reader = ParquetFileReader.open(input)) {
      rows = reader.getRecordCount();
    } catch (RuntimeException | ChecksumException | EOFException e) {
      return Optional.empty();
    }
    try (InputStream in = storage.open(path)) {
      return Optional.of(new DataFile(name, storage.length(path), rows, BackboneFile.digest(in)));
    }
  }

  /** An empty row to fill. */
  public Group row() {
    return new SimpleGroup(schema);
  }

  public void write(Group row) throws IOException {
    writer.write(row);
    rows++;
  }

  public long rows() {
    return rows;
  }

  /** Bytes of the file; after closing. */
  public long bytes() {
    return file.bytes;
  }

  /** SHA-256 of the file, in hex; after closing. */
  public String sha256() {
    return HexFormat.of().formatHex(file.sha.digest());
  }

  @Override
  public void close() throws IOException {
    writer.close();
  }

  /** Passes what is written on, and through the digest. */
  private static final class Digested implements OutputFile {
    private final HadoopStorage storage;
    private final String path;
    private final OutputFile target;
    private final MessageDigest sha;
    private long bytes;

    Digested(HadoopStorage storage, String path, OutputFile target) {
      this.storage = storage;
      this.path = path;
      this.target = target;
      try {
        this.sha = MessageDigest.getInstance("SHA-256");
      } catch (NoSuchAlgorithmException e) {
        throw new IllegalStateException("Every Java has SHA-256", e);
      }
    }

    private PositionOutputStream digesting(PositionOutputStream out) {
      return new PositionOutputStream() {
        @Override
        public long getPos() throws IOException {
          return out.getPos();
        }

        @Override
        public void write(int b) throws IOException {
          out.write(b);
          sha.update((byte) b);
          bytes++;
        }

        @Override
        public void write(byte[] b, int offset, int length) throws IOException {
          out.write(b, offset, length);
          sha.update(b, offset, length);
          bytes += length;
        }

        @Override
        public void flush() throws IOException {
          out.flush();
        }

        @Override
        public void close() throws IOException {
          out.close();
        }
      };
    }

    @Override
    public PositionOutputStream create(long blockSizeHint) throws IOException {
      return digesting(
          storage.local(path).isPresent()
              ? HadoopStreams.wrap(storage.write(path))
              : target.create(blockSizeHint));
    }

    @Override
    public PositionOutputStream createOrOverwrite(long blockSizeHint) throws IOException {
      return digesting(target.createOrOverwrite(blockSizeHint));
    }

    @Override
    public boolean supportsBlockSize() {
      return target.supportsBlockSize();
    }

    @Override
    public long defaultBlockSize() {
      return target.defaultBlockSize();
    }
  }
}
