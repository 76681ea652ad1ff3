package io.squeeze.jobs.encode;

import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.udf;

import io.squeeze.codec.CodeCodec;
import io.squeeze.codec.Compression;
import io.squeeze.codec.EntropyCoding;
import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.console.Reporter;
import io.squeeze.jobs.model.TrainedQuantizer;
import io.squeeze.jobs.model.VectorTable;
import io.squeeze.jobs.publish.CodeHistogram;
import io.squeeze.jobs.publish.Coding;
import io.squeeze.jobs.publish.Columns;
import io.squeeze.jobs.publish.DataFile;
import io.squeeze.jobs.publish.Manifest;
import io.squeeze.jobs.publish.ParquetBytes;
import io.squeeze.jobs.publish.Place;
import io.squeeze.jobs.publish.Publisher;
import io.squeeze.jobs.publish.Publisher.Publication;
import io.squeeze.jobs.publish.VersionTables;
import io.squeeze.jobs.publish.Versions;
import io.squeeze.jobs.publish.Versions.Published;
import io.squeeze.jobs.run.CompressionTable;
import io.squeeze.jobs.spark.JobDescription;
import io.squeeze.jobs.spark.SqueezeSession;
import io.squeeze.jobs.storage.HadoopStorage;
import io.squeeze.storage.Storage;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.api.java.UDF1;
import org.apache.spark.sql.types.DataTypes;

/** Publishes codes as a version: their table, the table that decodes them, and the manifest. */
public final class CodesWriter {
  /** Codes of one file, about 40 MB of them: a hundred million ViT grids are 150 files. */
  private static final long CODES_PER_FILE = 1L << 25;

  private static final String ARRAYS = "arrays";

  private final SparkSession spark;
  private final HadoopStorage storage;
  private final Reporter reporter;
  private final TrainedQuantizer encoder;
  private final String codec;
  private final Publisher publisher;
  private final SqueezeSession session;

  /**
   * Writes to the data set that {@code encoder} names.
   *
   * @param codec one of {@link Coding#NAMES}
   */
  public CodesWriter(SqueezeSession session, TrainedQuantizer encoder, String codec)
      throws IOException {
    if (!Coding.NAMES.contains(codec)) {
      throw Coding.unknown(codec);
    }
    int most = Arrays.stream(encoder.codebookSizes()).max().orElse(0);
    if (codec.equals(Coding.ENTROPY) && most > EntropyCoding.MOST_CODES) {
      throw SqueezeException.configuration(
          ("Entropy coding has a table of %s codes at the most, the codebook has %s: take "
                  + "--codec array")
              .formatted(EntropyCoding.MOST_CODES, most));
    }
    this.spark = session.spark();
    this.storage = session.storage();
    this.reporter = session.reporter();
    this.encoder = encoder;
    this.codec = codec;
    this.publisher = new Publisher(storage, reporter, encoder.codes(), Manifest.CODES, "--codes");
    this.session = session;
  }

  /**
   * What is to be published.
   *
   * @param settings that the codes follow from, beside the encoder's
   * @param growing keys of settings whose other values make a next version
   * @param rows of a split, with all columns of {@link Columns#codes}, codes as arrays; it may take
   *     some from the version before
   * @param input the table that they come from; null for embeddings
   * @param like of what is encoded
   * @param embeddingBytes that it takes in Parquet; null where nobody knows
   */
  public record Source(
      Map<String, String> settings,
      List<String> growing,
      Rows rows,
      VectorTable input,
      Manifest like,
      Long embeddingBytes) {}

  /** The rows of a split. */
  public interface Rows {
    Dataset<Row> of(String split, Optional<Published> before) throws IOException;
  }

  /**
   * Publishes a version, or finds that it is there.
   *
   * @throws SqueezeException of category configuration if other codes are there
   */
  public Published run(Source source) throws IOException {
    Map<String, String> asked = new TreeMap<>(source.settings());
    asked.putAll(encoder.settings());
    if (!codec.equals(Coding.ARRAY)) {
      asked.put("codec", codec);
    }
    Publication publication =
        publisher.run(
            asked,
            source.growing(),
            next -> {
              JobDescription.name(spark, "codes " + publisher.base(), "writing " + next.name());
              Place place = next.fresh();
              Manifest manifest = write(source, asked, place.rows(), next.before());
              return new Publisher.Draft(place, manifest, List.of());
            });
    if (publication.fresh()) {
      report(source, publication.version(), publication.seconds());
    }
    return publication.version();
  }

  private Manifest write(
      Source source, Map<String, String> asked, String place, Optional<Published> before)
      throws IOException {
    String folder = Storage.join(place, Versions.CODES);
    Coding coding = null;
    if (codec.equals(Coding.ARRAY)) {
      tables(source, source.rows(), before, folder, VersionTables::write);
    } else {
      // What the vectors cost to quantize is paid once: the statistics need all codes first.
      String arrays = Storage.join(place, ARRAYS);
      tables(source, source.rows(), before, arrays, VersionTables::write);
      Dataset<Row> written = spark.read().parquet(HadoopStorage.literal(arrays));
      coding = Coding.of(codec, CodeHistogram.of(written, encoder.codebookSizes()));
      CodeCodec packing = coding.implementation();
      UDF1<scala.collection.Seq<Integer>, byte[]> pack = codes -> packing.pack(ints(codes));
      Dataset<Row> packed =
          written.withColumn(
              Columns.CODES, udf(pack, DataTypes.BinaryType).apply(col(Columns.CODES)));
      Rows own = (split, unused) -> packed.where(col(Columns.SPLIT).equalTo(split));
      tables(source, own, before, folder, VersionTables::writeBinary);
      storage.delete(arrays);
    }
    List<DataFile> files = new ArrayList<>(VersionTables.files(session, place));
    Map<String, Long> rows = VersionTables.rows(source.like().splits(), files);
    if (!rows.equals(new TreeMap<>(source.like().rows()))) {
      throw SqueezeException.input(
          "%s of %s were encoded: it changed meanwhile; encode again"
              .formatted(rows, source.like().rows()));
    }
    files.addAll(encoder.decoder(storage, place));
    if (source.input() != null) {
      files.add(TableInput.write(storage, place, source.input().files()));
    }
    files.sort(Comparator.comparing(DataFile::path));
    return source.like().codes(asked, rows, coding, files);
  }

  /** How rows become files. */
  private interface Writing {
    void write(Dataset<Row> rows, String folder, String split);
  }

  private static int[] ints(scala.collection.Seq<Integer> codes) {
    int[] values = new int[codes.size()];
    for (int i = 0; i < values.length; i++) {
      values[i] = codes.apply(i);
    }
    return values;
  }

  /**
   * Writes few files whose rows do not depend on how the input is partitioned: by hash of the id,
   * in the order of the ids. CONTRIBUTING.md has the measurements behind the settings.
   */
  private void tables(
      Source source, Rows rows, Optional<Published> before, String folder, Writing writing)
      throws IOException {
    Manifest like = source.like();
    for (String split : like.splits()) {
      long codes = like.rows().get(split) * like.positions() * encoder.codebookSizes().length;
      int files = (int) Math.max(1, (codes + CODES_PER_FILE - 1) / CODES_PER_FILE);
      writing.write(
          rows.of(split, before)
              .drop(Columns.SPLIT)
              .repartition(files, col(Columns.SAMPLE_ID))
              .sortWithinPartitions(Columns.SAMPLE_ID, Columns.CODES),
          folder,
          split);
    }
  }

  private void report(Source source, Published published, double seconds) throws IOException {
    Manifest manifest = published.manifest();
    String codes = Storage.join(published.path(), Versions.CODES);
    Compression compression =
        Compression.of(
            manifest.samples(),
            manifest.positions(),
            manifest.channels(),
            CodeHistogram.of(published.read(spark), encoder.codebookSizes()),
            ParquetBytes.of(spark, storage, codes, Columns.CODES).bytes(),
            TrainedQuantizer.decoderBytes(manifest),
            source.embeddingBytes());
    double vectors = (double) manifest.samples() * manifest.positions();
    reporter.say(
        String.format(
            Locale.ROOT,
            "Published %s: %d rows of %d vectors in %.1f s, %.0f vectors/s",
            published.path(),
            manifest.samples(),
            manifest.positions(),
            seconds,
            vectors / seconds));
    CompressionTable.lines(compression).forEach(reporter::result);
    CompressionTable.write(storage, published.path(), compression, seconds);
  }
}
