package io.squeeze.jobs.cli;

import io.squeeze.config.Settings;
import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.console.Reporter;
import io.squeeze.jobs.dedup.DedupJob;
import io.squeeze.jobs.dedup.DedupSource;
import io.squeeze.jobs.model.BadRows;
import io.squeeze.jobs.model.SourceVectors.Named;
import io.squeeze.jobs.publish.Versions;
import io.squeeze.jobs.publish.Versions.Published;
import io.squeeze.jobs.search.CodeSearch;
import io.squeeze.jobs.search.IndexJob;
import io.squeeze.jobs.search.SearchJob;
import io.squeeze.jobs.spark.SqueezeSession;
import java.io.IOException;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import picocli.CommandLine;

/** The commands that look for similar vectors. */
final class SearchCommands {
  private static final String CODES = "--codes";
  private static final String LISTS = "--lists";
  private static final String QUERIES = "--queries";
  private static final String K = "--k";
  private static final String NPROBE = "--nprobe";
  private static final String RERANK = "--rerank";
  private static final String RERANK_VECTOR_COL = "--rerank_vector_col";
  private static final String RERANK_ID_COL = "--rerank_id_col";
  private static final String CANDIDATES = "--candidates";
  private static final String FILTER = "--filter";
  private static final String OUT = "--out";
  private static final String THRESHOLD = "--threshold";
  private static final String METRIC = "--metric";
  private static final String KEEP = "--keep";
  private static final String FIRST = "first";
  private static final String POOL = "--pool";

  private final Reporter reporter;

  SearchCommands(Reporter reporter) {
    this.reporter = reporter;
  }

  CommandLine index() {
    return Commands.command(
        reporter,
        "index",
        Commands.join(List.of(Flag.SEED), Flag.COMPUTE),
        arguments -> {
          Settings settings = arguments.settings(Map.of());
          long lists = Commands.number(arguments, LISTS, 0, 0, 65_536);
          SqueezeSession session = arguments.start("index", settings);
          Published published =
              new IndexJob(
                      session,
                      arguments.own(CODES),
                      lists == 0 ? null : (int) lists,
                      settings.seed())
                  .run();
          arguments.reporter().result("Index: " + published.path());
          return Map.of("index", published.path());
        },
        spec -> {
          Arguments.declare(spec, CODES, "PATH", true, "Data set of codes.");
          Arguments.declare(
              spec,
              LISTS,
              "N",
              false,
              "Lists, at most 65536. Default: as before, or the square root of the vectors.");
        },
        "Codes to an index: similar vectors lie together, so that a search reads a few lists.",
        "",
        "Publishes the codes in the order of their lists in PATH/index/v1, and prints how many of the",
        "ten nearest vectors a search finds if it reads 1, 2, 4, ... lists. If the codes have a next",
        "version, index assigns what is new to the lists that are there.",
        "",
        "  submit/squeeze index --codes codes/table",
        "");
  }

  CommandLine search() {
    return Commands.command(
        reporter,
        "search",
        Commands.join(Flag.COMPUTE, Flag.BAD_ROWS),
        arguments -> {
          Settings settings = arguments.settings(Map.of());
          CodeSearch.Request request =
              new CodeSearch.Request(
                  (int) Commands.number(arguments, K, 10, 1, 65_536),
                  (int) Commands.number(arguments, NPROBE, 0, 0, 65_536),
                  arguments.own(FILTER));
          String vectors = arguments.own(Table.VECTOR_COL);
          String ids = arguments.own(Table.ID_COL);
          String rerank = arguments.own(RERANK);
          SearchJob.Request asked =
              new SearchJob.Request(
                  arguments.own(CODES),
                  new Named(arguments.own(QUERIES), QUERIES, vectors, ids),
                  request,
                  rerank == null
                      ? null
                      : new Named(
                          rerank,
                          RERANK,
                          arguments.own(RERANK_VECTOR_COL, vectors),
                          arguments.own(RERANK_ID_COL, ids)),
                  (int) Commands.number(arguments, CANDIDATES, 0, 0, 65_536),
                  arguments.own(OUT));
          return new SearchJob(arguments.start("search", settings), asked)
              .run(BadRows.of(settings.data()));
        },
        spec -> {
          Arguments.declare(spec, CODES, "PATH", true, "Data set of codes with an index.");
          Arguments.declare(
              spec, QUERIES, "PATH", true, "Vectors to look for: a table, or embeddings.");
          Arguments.declare(
              spec, Table.VECTOR_COL, "NAME", false, "Vectors of the table of queries.");
          Arguments.declare(spec, Table.ID_COL, "NAME", false, "What names its rows.");
          Arguments.declare(spec, K, "N", false, "Neighbours of each query. Default: 10.");
          Arguments.declare(
              spec,
              NPROBE,
              "N",
              false,
              "Lists to read for each query. Default: as many as kept 98 % when the index was made.");
          Arguments.declare(
              spec,
              RERANK,
              "PATH",
              false,
              "The vectors that the codes were made from, to measure candidates again.");
          Arguments.declare(
              spec, RERANK_VECTOR_COL, "NAME", false, "Its vectors. Default: as of the queries.");
          Arguments.declare(
              spec, RERANK_ID_COL, "NAME", false, "Its ids. Default: as of the queries.");
          Arguments.declare(
              spec, CANDIDATES, "N", false, "Candidates to measure again. Default: 10 k.");
          Arguments.declare(
              spec,
              FILTER,
              "SQL",
              false,
              "Condition on the columns of the index, such as \"split = 'test'\".");
          Arguments.declare(spec, OUT, "PATH", true, "Folder of Parquet to write.");
        },
        "The nearest vectors of many queries, by an index of codes.",
        "",
        "Writes query_id, rank, sample_id, position and distance. The distance is to the vector that",
        "the codes stand for; with --rerank it is the distance to the vector itself.",
        "",
        "  submit/squeeze search --codes codes/table --queries queries.parquet --vector_col v \\",
        "      --id_col id --k 10 --rerank table.parquet --out found",
        "");
  }

  CommandLine dedup() {
    return Commands.command(
        reporter,
        "dedup",
        Commands.join(Commands.join(List.of(Flag.SEED), Flag.COMPUTE), Flag.BAD_ROWS),
        arguments -> {
          Settings settings = arguments.settings(Map.of());
          DedupJob.Request request =
              new DedupJob.Request(
                  choice(arguments, METRIC, DedupJob.Metric.COSINE),
                  threshold(arguments),
                  arguments.own(OUT),
                  settings.seed());
          boolean codes = arguments.own(CODES) != null;
          if (codes == (arguments.own(Table.INPUT) != null)) {
            throw SqueezeException.usage(
                "dedup takes " + Table.INPUT + ", or the vectors of " + CODES);
          }
          SqueezeSession session = arguments.start("dedup", settings);
          DedupJob job = new DedupJob(session, request);
          job.checkOut();
          return job.run(source(session, arguments, settings));
        },
        spec -> {
          Arguments.declare(
              spec,
              Table.INPUT,
              "PATH",
              false,
              "Vectors to compare: Parquet with a column of vectors, or embeddings.");
          Arguments.declare(spec, Table.VECTOR_COL, "NAME", false, "Vectors of the table.");
          Arguments.declare(spec, Table.ID_COL, "NAME", false, "What names its rows.");
          Arguments.declare(
              spec, CODES, "PATH", false, "Codes to compare by the vectors that they stand for.");
          Arguments.declare(
              spec,
              THRESHOLD,
              "VALUE",
              false,
              "Least cosine, or largest distance, of a pair. Default: 0.95 for cosine.");
          Arguments.declare(spec, METRIC, "cosine|l2", false, "Default: cosine.");
          Arguments.declare(
              spec,
              KEEP,
              "first|COLUMN",
              false,
              "What stays of a group: the first id, or the largest value. Default: first.");
          Arguments.declare(
              spec,
              POOL,
              "mean|grid",
              false,
              "How a grid becomes one vector: its mean, or all of it. Default: mean.");
          Arguments.declare(spec, OUT, "PATH", true, "Folder of Parquet to write.");
        },
        "Near-duplicates among vectors: which one of each group stays, and which can go.",
        "",
        "Writes id, keep, kept_id and similarity for every vector. Vectors belong to one group if a",
        "chain of pairs joins them. So a vector can be less similar than the threshold to the one that",
        "stays; the column similarity says how similar it is.",
        "",
        "  submit/squeeze dedup --input table.parquet --vector_col v --id_col id \\",
        "      --threshold 0.95 --out duplicates",
        "");
  }

  private static DedupSource source(SqueezeSession session, Arguments arguments, Settings settings)
      throws IOException {
    DedupSource.Pool pool = choice(arguments, POOL, DedupSource.Pool.MEAN);
    String keep = arguments.own(KEEP, FIRST);
    String input = arguments.own(Table.INPUT);
    boolean table =
        input != null
            && (arguments.own(Table.VECTOR_COL) != null
                || DedupSource.published(session, input).isEmpty());
    if (table) {
      if (!Table.given(arguments)) {
        throw SqueezeException.usage(
            input
                + " is a table: name its columns (--vector_col, --id_col; pooled and sample_id of"
                + " pooled embeddings)");
      }
      return DedupSource.table(
          session,
          Table.of(session, arguments, settings.data()),
          arguments.own(Table.ID_COL),
          keep.equals(FIRST) ? null : keep);
    }
    if (!keep.equals(FIRST)) {
      throw SqueezeException.usage(KEEP + " names a column of a table (" + Table.INPUT + ")");
    }
    return input == null
        ? DedupSource.codes(
            session, Versions.codes(session.storage(), arguments.own(CODES), CODES), pool)
        : DedupSource.embeddings(session, Versions.embeddings(session.storage(), input), pool);
  }

  /** The value of an option that is one of a few words. */
  private static <E extends Enum<E>> E choice(Arguments arguments, String name, E unset) {
    String given = arguments.own(name, unset.name());
    for (E value : unset.getDeclaringClass().getEnumConstants()) {
      if (value.name().equalsIgnoreCase(given)) {
        return value;
      }
    }
    throw SqueezeException.usage(
        "%s is %s, not one of %s"
            .formatted(
                name,
                given,
                Arrays.toString(unset.getDeclaringClass().getEnumConstants())
                    .toLowerCase(Locale.ROOT)));
  }

  private static double threshold(Arguments arguments) {
    String given = arguments.own(THRESHOLD);
    boolean distance = "l2".equalsIgnoreCase(arguments.own(METRIC));
    if (given == null && distance) {
      throw SqueezeException.usage("A largest distance is needed with l2 (" + THRESHOLD + ")");
    }
    try {
      return Double.parseDouble(given == null ? "0.95" : given);
    } catch (NumberFormatException e) {
      throw SqueezeException.usage(THRESHOLD + " must be a number, not " + given);
    }
  }
}
