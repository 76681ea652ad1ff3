package io.squeeze.jobs.model;

import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.lit;

import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.publish.Columns;
import io.squeeze.jobs.publish.ForeignTable;
import io.squeeze.jobs.publish.Manifest;
import io.squeeze.jobs.publish.Tables;
import io.squeeze.jobs.publish.Versions;
import io.squeeze.jobs.publish.Versions.Published;
import io.squeeze.jobs.spark.SqueezeSession;
import java.io.IOException;
import java.io.Serializable;
import java.util.List;
import java.util.Optional;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;

/**
 * Vectors that an option names: of a table of anybody's, or of published embeddings.
 *
 * @param rows sample_id, position, vector
 * @param positions vectors of a sample
 * @param channels values of a vector
 */
public record SourceVectors(Dataset<Row> rows, int positions, int channels) {

  /**
   * Where vectors are.
   *
   * @param path of Parquet, or of a data set of embeddings
   * @param option that names it, for messages
   * @param vectorColumn of a table; null for embeddings
   * @param idColumn of a table; null for embeddings
   */
  public record Named(String path, String option, String vectorColumn, String idColumn)
      implements Serializable {}

  /**
   * Opens what an option names.
   *
   * @throws SqueezeException of category input or usage if it cannot be used
   */
  public static SourceVectors open(SqueezeSession session, Named named, BadRows badRows)
      throws IOException {
    Optional<Published> published = published(session, named);
    if (published.isPresent()) {
      Manifest manifest = published.get().manifest();
      if (!manifest.table().equals(Manifest.EMBEDDINGS)) {
        throw SqueezeException.input(
            ("%s holds %s: name embeddings or a table of vectors (%s); decode makes embeddings of"
                    + " codes, and pooled vectors are read with --vector_col %s --id_col %s")
                .formatted(
                    named.path(),
                    manifest.table(),
                    named.option(),
                    Columns.POOLED,
                    Columns.SAMPLE_ID));
      }
      return new SourceVectors(
          GridVectors.of(session.spark(), published.get()),
          manifest.positions(),
          manifest.channels());
    }
    check(named);
    VectorTable table =
        VectorTable.open(
            session, named.path(), named.option(), named.vectorColumn(), named.idColumn(), badRows);
    return new SourceVectors(
        table
            .rows()
            .select(
                col(Columns.SAMPLE_ID),
                lit(0).as(Columns.POSITION),
                VectorColumn.floats(table.rows(), Columns.VECTOR).as(Columns.VECTOR)),
        1,
        table.channels());
  }

  /**
   * The same to measure some of the rows: nothing is read until they are, and whoever measures a
   * vector checks it. Rows without a vector are left out.
   *
   * @param channels values of a vector
   * @throws SqueezeException of category input or usage if it cannot be used
   */
  public static SourceVectors unread(SqueezeSession session, Named named, int channels)
      throws IOException {
    if (published(session, named).isPresent()) {
      return open(session, named, null);
    }
    check(named);
    ForeignTable table =
        ForeignTable.open(
            session, named.path(), named.option(), List.of(named.vectorColumn(), named.idColumn()));
    Dataset<Row> rows = table.rows();
    VectorColumn.check(rows.schema(), named.vectorColumn());
    return new SourceVectors(
        rows.where(Tables.quoted(named.vectorColumn()).isNotNull())
            .select(
                Tables.id(rows, named.idColumn()).as(Columns.SAMPLE_ID),
                lit(0).as(Columns.POSITION),
                VectorColumn.floats(rows, named.vectorColumn()).as(Columns.VECTOR)),
        1,
        channels);
  }

  /** Published embeddings; empty where a column is named, so that the rows are a table. */
  private static Optional<Published> published(SqueezeSession session, Named named)
      throws IOException {
    return named.vectorColumn() == null
        ? new Versions(session.storage(), named.path()).current()
        : Optional.empty();
  }

  private static void check(Named named) {
    if (named.vectorColumn() == null || named.idColumn() == null) {
      throw SqueezeException.usage(
          "%s is a table: name its columns (--vector_col, --id_col)".formatted(named.path()));
    }
  }
}
