package io.squeeze.jobs.model;

import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.lit;
import static org.apache.spark.sql.functions.udf;

import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.publish.Columns;
import io.squeeze.jobs.publish.Manifest;
import io.squeeze.jobs.publish.Versions;
import io.squeeze.jobs.publish.Versions.Published;
import io.squeeze.jobs.spark.SqueezeSession;
import java.io.IOException;
import java.util.Optional;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.api.java.UDF1;
import org.apache.spark.sql.types.DataTypes;

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
  public record Named(String path, String option, String vectorColumn, String idColumn) {}

  /**
   * Opens what an option names.
   *
   * @throws SqueezeException of category input or usage if it cannot be used
   */
  public static SourceVectors open(SqueezeSession session, Named named, BadRows badRows)
      throws IOException {
    Optional<Published> published = new Versions(session.storage(), named.path()).current();
    if (published.isPresent()) {
      Manifest manifest = published.get().manifest();
      if (!manifest.table().equals(Manifest.EMBEDDINGS)) {
        throw SqueezeException.input(
            "%s holds %s: name embeddings or a table of vectors (%s); decode makes embeddings of"
                    .formatted(named.path(), manifest.table(), named.option())
                + " codes");
      }
      return new SourceVectors(
          GridVectors.of(session.spark(), published.get()),
          manifest.positions(),
          manifest.channels());
    }
    if (named.vectorColumn() == null || named.idColumn() == null) {
      throw SqueezeException.usage(
          "%s is a table: name its columns (--vector_col, --id_col)".formatted(named.path()));
    }
    VectorTable table =
        VectorTable.open(
            session, named.path(), named.option(), named.vectorColumn(), named.idColumn(), badRows);
    // Whatever type the column has, its vectors are arrays of float from here on.
    UDF1<Object, float[]> floats = VectorColumn::floats;
    return new SourceVectors(
        table
            .rows()
            .select(
                col(Columns.SAMPLE_ID),
                lit(0).as(Columns.POSITION),
                udf(floats, DataTypes.createArrayType(DataTypes.FloatType, false))
                    .apply(col(Columns.VECTOR))
                    .as(Columns.VECTOR)),
        1,
        table.channels());
  }
}
