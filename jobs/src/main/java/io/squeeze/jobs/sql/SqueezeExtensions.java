package io.squeeze.jobs.sql;

import static io.squeeze.jobs.sql.Calls.FLOATS;
import static io.squeeze.jobs.sql.Calls.INTS;
import static io.squeeze.jobs.sql.Calls.beside;
import static io.squeeze.jobs.sql.Calls.constant;
import static io.squeeze.jobs.sql.Calls.folded;
import static io.squeeze.jobs.sql.Calls.text;
import static io.squeeze.jobs.sql.Calls.typeOf;
import static org.apache.spark.sql.types.DataTypes.BinaryType;
import static org.apache.spark.sql.types.DataTypes.DoubleType;
import static org.apache.spark.sql.types.DataTypes.IntegerType;
import static org.apache.spark.sql.types.DataTypes.StringType;

import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.publish.CodeHistogram;
import io.squeeze.jobs.publish.Columns;
import io.squeeze.jobs.spark.SparkInternals;
import io.squeeze.jobs.spark.StaticCall;
import io.squeeze.jobs.sql.SqlFunction.Arity;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.SparkSessionExtensions;
import org.apache.spark.sql.catalyst.InternalRow;
import org.apache.spark.sql.catalyst.expressions.Expression;
import org.apache.spark.sql.expressions.UserDefinedAggregator;
import org.apache.spark.sql.types.ArrayType;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.ObjectType;
import scala.runtime.AbstractFunction1;
import scala.runtime.BoxedUnit;

/**
 * Our SQL functions: {@code --conf spark.sql.extensions=io.squeeze.jobs.sql.SqueezeExtensions}, or
 * {@link #register} in a session that runs.
 */
public final class SqueezeExtensions extends AbstractFunction1<SparkSessionExtensions, BoxedUnit> {
  private static final String ARRAYS = "array_funcs";
  private static final String MODEL =
      " The model is the path of a data set of codes, of a checkpoint (.ckpt), or of a saved"
          + " VectorQuantizationModel.";

  static final List<SqlFunction> FUNCTIONS =
      List.of(
          new SqlFunction(
              "cosine_similarity",
              ARRAYS,
              Arity.of(2),
              "_FUNC_(a, b) - Returns the cosine of the angle between two vectors: arrays of"
                  + " numbers, taken as float, or binaries of little-endian float32. Null where one"
                  + " is null, holds a null, or is all zeros.",
              List.of("SELECT cosine_similarity(array(3.0, 4.0), array(4.0, 3.0))", "0.96"),
              arguments -> ofTwo("cosine", arguments)),
          new SqlFunction(
              "l2_distance",
              ARRAYS,
              Arity.of(2),
              "_FUNC_(a, b) - Returns the Euclidean distance of two vectors: arrays of numbers,"
                  + " taken as float, or binaries of little-endian float32. Null where one is null"
                  + " or holds a null.",
              List.of("SELECT l2_distance(array(3.0, 4.0), array(0.0, 0.0))", "5.0"),
              arguments -> ofTwo("distance", arguments)),
          new SqlFunction(
              "embedding_to_array",
              ARRAYS,
              new Arity(1, 2),
              "_FUNC_(embedding[, dtype]) - Returns the values of an embedding as they are stored,"
                  + " [channels, grid_height, grid_width], as an array of float. The dtype, float32"
                  + " or float16, is the column of that name unless it is given.",
              List.of("SELECT embedding_to_array(X'0000803F00000040', 'float32')", "[1.0,2.0]"),
              SqueezeExtensions::array),
          new SqlFunction(
              "embedding_at",
              ARRAYS,
              Arity.of(3),
              "_FUNC_(embedding, y, x) - Returns the vector at a row and column of the grid, counted"
                  + " from 0; null outside of it. Reads channels, grid_height, grid_width and dtype"
                  + " from the columns of those names beside the embedding.",
              List.of(
                  "SELECT embedding_at(embedding, 0, 1) FROM VALUES (X'0000803F000000400000404000008040',"
                      + " 2, 1, 2, 'float32') AS t(embedding, channels, grid_height, grid_width, dtype)",
                  "[2.0,4.0]"),
              SqueezeExtensions::at),
          new SqlFunction(
              "encode_vector",
              ARRAYS,
              Arity.of(2),
              "_FUNC_(vector, model) - Returns the codes that a quantizer gives to a vector, level"
                  + " by level. The array may hold several vectors in sequence; then the result"
                  + " holds their codes in sequence."
                  + MODEL,
              List.of("SELECT encode_vector(array(0.1, 0.2, 0.3), 'outputs/vq/last.ckpt')", "[7]"),
              arguments ->
                  StaticCall.of(
                      CodeFunctions.class,
                      "encode",
                      DataTypes.createArrayType(IntegerType, false),
                      with(
                          arguments.subList(0, 1),
                          constant(QueryModel.encoding(path(arguments.get(1))))),
                      List.of(FLOATS, type(QueryModel.class)))),
          new SqlFunction(
              "decode_codes",
              ARRAYS,
              new Arity(2, 3),
              "_FUNC_(codes, model[, levels]) - Returns the vectors that codes stand for, one after"
                  + " the other, as an array of float; with a number of levels, those that the codes"
                  + " of the first levels stand for."
                  + MODEL,
              List.of(
                  "SELECT decode_codes(slice(codes, 1, levels), 'codes/pets') FROM codes",
                  "[0.5,…]"),
              arguments ->
                  StaticCall.of(
                      CodeFunctions.class,
                      "decode",
                      DataTypes.createArrayType(DataTypes.FloatType, false),
                      with(
                          arguments.subList(0, 1),
                          constant(
                              first(QueryModel.decoding(path(arguments.get(1))), arguments, 2))),
                      List.of(INTS, type(QueryModel.class)))),
          new SqlFunction(
              "unpack_codes",
              ARRAYS,
              Arity.of(2),
              "_FUNC_(codes, model) - Returns the codes of a binary column (encode --codec packed or"
                  + " entropy) as an array. Reads levels, grid_height and grid_width from the columns"
                  + " of those names. The model is the path of the data set of codes.",
              List.of(
                  "SELECT unpack_codes(codes, 'codes/packed') FROM parquet.`codes/packed/v1/codes`",
                  "[7,411,…]"),
              SqueezeExtensions::unpack),
          new SqlFunction(
              "code_distance",
              ARRAYS,
              new Arity(3, 4),
              "_FUNC_(codes, vector, model[, levels]) - Returns the Euclidean distance of a vector, an array of"
                  + " numbers of any type, to the vector that codes stand for, by lookups alone. For a"
                  + " quantizer that was fitted to vectors it equals l2_distance(decode_codes(codes,"
                  + " model), vector). For one that was trained with a head it is the distance in the"
                  + " space where the quantizer searches. With the codes of a grid, it is the"
                  + " distance to the nearest vector of the grid. With several vectors in sequence,"
                  + " it is the mean over them. With a number of levels, only the codes of the first"
                  + " levels count."
                  + MODEL,
              List.of(
                  "SELECT sample_id FROM codes ORDER BY code_distance(codes, array(0.1, 0.2, 0.3),"
                      + " 'codes/pets') LIMIT 10",
                  "Abyssinian_1"),
              arguments -> compared("distance", arguments)),
          new SqlFunction(
              "code_cosine_similarity",
              ARRAYS,
              new Arity(3, 4),
              "_FUNC_(codes, vector, model[, levels]) - Returns the cosine similarity of a vector, an"
                  + " array of numbers of any type, to the vector that codes stand for, by lookups"
                  + " alone. It compares where code_distance does: for a quantizer that was fitted to"
                  + " vectors it equals cosine_similarity(decode_codes(codes, model), vector). With"
                  + " the codes of a grid, it is the similarity to the most similar vector of the"
                  + " grid. With several vectors in sequence, it is the mean over them. Null where a"
                  + " vector has no direction."
                  + MODEL,
              List.of(
                  "SELECT sample_id FROM codes WHERE code_cosine_similarity(codes, array(0.1, 0.2,"
                      + " 0.3), 'codes/table') > 0.9",
                  "Abyssinian_1"),
              arguments -> compared("cosine", arguments)),
          new SqlFunction(
              "symmetric_code_distance",
              ARRAYS,
              Arity.of(3),
              "_FUNC_(codes, others, model) - Returns the distance of what two lists of codes stand"
                  + " for, by lookups alone: for each vector of the others the Euclidean distance to"
                  + " the nearest vector of the codes, and their mean. Both are of one model."
                  + MODEL,
              List.of(
                  "SELECT symmetric_code_distance(array(7), array(7), 'outputs/vq/last.ckpt')",
                  "0.0"),
              arguments ->
                  StaticCall.of(
                      CodeFunctions.class,
                      "symmetricDistance",
                      DoubleType,
                      List.of(
                          arguments.get(0),
                          arguments.get(1),
                          constant(QueryModel.comparing(path(arguments.get(2))))),
                      List.of(INTS, INTS, type(QueryModel.class)))),
          new SqlFunction(
              "code_histogram",
              "agg_funcs",
              new Arity(1, 2),
              "_FUNC_(codes[, levels]) - Returns how often each code of each level occurs, as an"
                  + " array of arrays. The number of levels is the column of that name unless it is"
                  + " given.",
              List.of(
                  "SELECT code_histogram(codes, 1) FROM VALUES (array(0, 2, 2)) AS t(codes)",
                  "[[1,0,2]]"),
              SqueezeExtensions::histogram),
          new SqlFunction(
              "iou",
              "binary_funcs",
              Arity.of(3),
              "_FUNC_(mask, target, class) - Returns the intersection over union of a class in two"
                  + " masks of a byte a pixel. Pixels that are 255 in the target do not count. Null"
                  + " where neither has the class.",
              List.of("SELECT iou(X'000101', X'010101', 1)", "0.6666666666666666"),
              arguments ->
                  StaticCall.of(
                      VectorFunctions.class,
                      "iou",
                      DoubleType,
                      arguments,
                      List.of(BinaryType, BinaryType, IntegerType))));

  private static DataType type(Class<?> of) {
    return new ObjectType(of);
  }

  private static List<Expression> with(List<Expression> some, Expression... more) {
    List<Expression> all = new ArrayList<>(some);
    all.addAll(List.of(more));
    return all;
  }

  private static String path(Expression model) {
    return text(model, "model");
  }

  private static Expression ofTwo(String method, List<Expression> vectors) {
    Expression a = vectors.get(0);
    Expression b = vectors.get(1);
    if (a.foldable() && !b.foldable()) {
      // Both functions are symmetric.
      return ofTwo(method, List.of(b, a));
    }
    boolean binary = a.dataType().equals(BinaryType);
    DataType type = binary ? BinaryType : FLOATS;
    boolean array = b.dataType() instanceof ArrayType;
    Expression second = array && !a.foldable() ? folded(b) : b;
    DataType other = second == b ? type : typeOf(second);
    return StaticCall.of(
        VectorFunctions.class, method, DoubleType, List.of(a, second), List.of(type, other));
  }

  private static Expression array(List<Expression> arguments) {
    Expression embedding = arguments.get(0);
    Expression dtype = arguments.size() == 2 ? arguments.get(1) : beside(embedding, Columns.DTYPE);
    return StaticCall.of(
        VectorFunctions.class,
        "array",
        DataTypes.createArrayType(DataTypes.FloatType, false),
        List.of(embedding, dtype),
        List.of(BinaryType, StringType));
  }

  private static Expression at(List<Expression> arguments) {
    Expression embedding = arguments.get(0);
    return StaticCall.of(
        VectorFunctions.class,
        "at",
        DataTypes.createArrayType(DataTypes.FloatType, false),
        with(
            arguments,
            beside(embedding, Columns.CHANNELS),
            beside(embedding, Columns.GRID_HEIGHT),
            beside(embedding, Columns.GRID_WIDTH),
            beside(embedding, Columns.DTYPE)),
        List.of(
            BinaryType,
            IntegerType,
            IntegerType,
            IntegerType,
            IntegerType,
            IntegerType,
            StringType));
  }

  private static Expression unpack(List<Expression> arguments) {
    Expression codes = arguments.get(0);
    return StaticCall.of(
        CodeFunctions.class,
        "unpack",
        DataTypes.createArrayType(IntegerType, false),
        List.of(
            codes,
            beside(codes, Columns.LEVELS),
            beside(codes, Columns.GRID_HEIGHT),
            beside(codes, Columns.GRID_WIDTH),
            constant(QueryModel.unpacking(path(arguments.get(1))))),
        List.of(BinaryType, IntegerType, IntegerType, IntegerType, type(QueryModel.class)));
  }

  private static Expression compared(String method, List<Expression> arguments) {
    Expression query = folded(arguments.get(1));
    return StaticCall.of(
        CodeFunctions.class,
        method,
        DoubleType,
        List.of(
            arguments.get(0),
            query,
            constant(first(QueryModel.comparing(path(arguments.get(2))), arguments, 3))),
        List.of(INTS, typeOf(query), type(QueryModel.class)));
  }

  /** The model, of whose codes only the first levels count if an argument says so. */
  private static QueryModel first(QueryModel model, List<Expression> arguments, int at) {
    if (arguments.size() <= at) {
      return model;
    }
    Expression levels = arguments.get(at);
    if (levels.foldable() && levels.eval(InternalRow.empty()) instanceof Integer number) {
      return model.prefix(number);
    }
    throw SqueezeException.usage("The levels must be a whole number, not " + levels.sql());
  }

  private static Expression histogram(List<Expression> arguments) {
    List<Expression> both =
        arguments.size() == 2
            ? arguments
            : with(arguments, beside(arguments.get(0), Columns.LEVELS));
    UserDefinedAggregator<?, ?, ?> aggregator =
        (UserDefinedAggregator<?, ?, ?>) CodeHistogram.function();
    return SparkInternals.aggregate(aggregator, both);
  }

  /** Ours, and Spark's later ones where this Spark lacks them. */
  static List<SqlFunction> all() {
    return Stream.concat(FUNCTIONS.stream(), SparkVectorFunctions.FUNCTIONS.stream()).toList();
  }

  @Override
  public BoxedUnit apply(SparkSessionExtensions extensions) {
    all().forEach(function -> function.inject(extensions));
    NearestJoin.inject(extensions);
    return BoxedUnit.UNIT;
  }

  /** Adds the functions to a session that was started without the extension. */
  public static void register(SparkSession spark) {
    all().forEach(function -> function.register(spark));
  }
}
