import java.util.List;
import org.apache.spark.connect.proto.Command;
import org.apache.spark.connect.proto.ExecutePlanResponse;
import org.apache.spark.connect.proto.Expression.Literal;
import org.apache.spark.connect.proto.MlCommand;
import org.apache.spark.connect.proto.MlOperator;
import org.apache.spark.connect.proto.MlParams;
import org.apache.spark.connect.proto.MlRelation;
import org.apache.spark.connect.proto.ObjectRef;
import org.apache.spark.connect.proto.Relation;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.connect.SparkSession;
import scala.jdk.javaapi.CollectionConverters;
import scala.runtime.BoxedUnit;

/**
 * A program beside Spark Connect's JVM client: functions by SQL, and the estimator as the client of
 * another language asks for it, by messages. ConnectIT compiles it against the client's jars, where
 * neither Spark's own session nor our code is.
 */
public final class ConnectClient {
  private ConnectClient() {}

  /**
   * Prints rows; arguments: the server, a table of vectors (id, v), a folder of codes, a backbone,
   * a folder of photos.
   */
  public static void main(String[] args) {
    SparkSession spark = (SparkSession) SparkSession.builder().remote(args[0]).getOrCreate();
    print("cosine", spark.sql("SELECT cosine_similarity(array(3f, 4f), array(4f, 3f))"));
    Dataset<Row> table = spark.sql("SELECT id, v FROM parquet.`" + args[1] + "` ORDER BY id");
    Relation rows = ((org.apache.spark.sql.connect.Dataset<Row>) table).plan().getRoot();
    ObjectRef model = fit(spark, rows);
    MlRelation.Transform.Builder codes =
        MlRelation.Transform.newBuilder()
            .setObjRef(model)
            .setParams(MlParams.newBuilder().putParams("outputCol", text("codes")));
    print("codes", transformed(spark, codes, rows).select("id", "codes"));
    save(spark, model, args[2]);
    print(
        "decoded",
        spark.sql(
            ("SELECT id, round(code_distance(encode_vector(v, '%1$s'), v, '%1$s'), 4) FROM"
                    + " parquet.`%2$s` ORDER BY id")
                .formatted(args[2], args[1])));
    print("photos", embedded(spark, args[3], args[4]));
    spark.close();
  }

  private static void print(String what, Dataset<Row> rows) {
    for (Row row : rows.collectAsList()) {
      System.out.println(what + " " + row);
    }
  }

  private static Literal text(String value) {
    return Literal.newBuilder().setString(value).build();
  }

  private static Literal number(int value) {
    return Literal.newBuilder().setInteger(value).build();
  }

  private static List<ExecutePlanResponse> execute(SparkSession spark, MlCommand.Builder command) {
    return CollectionConverters.asJava(
        spark.execute(Command.newBuilder().setMlCommand(command).build()));
  }

  private static ObjectRef fit(SparkSession spark, Relation rows) {
    MlOperator.Builder estimator =
        MlOperator.newBuilder()
            .setName("io.squeeze.jobs.ml.VectorQuantization")
            .setUid("quantization")
            .setType(MlOperator.OperatorType.OPERATOR_TYPE_ESTIMATOR);
    MlParams.Builder params =
        MlParams.newBuilder()
            .putParams("inputCol", text("v"))
            .putParams("quantizerType", text("vq"))
            .putParams("codebookSize", number(4))
            .putParams("bottleneckDim", number(2))
            .putParams("seed", Literal.newBuilder().setLong(7).build());
    MlCommand.Fit.Builder fit =
        MlCommand.Fit.newBuilder().setEstimator(estimator).setParams(params).setDataset(rows);
    for (ExecutePlanResponse response : execute(spark, MlCommand.newBuilder().setFit(fit))) {
      if (response.hasMlCommandResult()) {
        return response.getMlCommandResult().getOperatorInfo().getObjRef();
      }
    }
    throw new IllegalStateException("The server answered without a model");
  }

  /** How many photos have a vector of how many values. */
  private static Dataset<Row> embedded(SparkSession spark, String backbone, String photos) {
    Dataset<Row> files = spark.sql("SELECT content FROM binaryFile.`" + photos + "`");
    MlRelation.Transform.Builder transform =
        MlRelation.Transform.newBuilder()
            .setTransformer(
                MlOperator.newBuilder()
                    .setName("io.squeeze.jobs.ml.ImageEmbedding")
                    .setUid("embedding")
                    .setType(MlOperator.OperatorType.OPERATOR_TYPE_TRANSFORMER))
            .setParams(
                MlParams.newBuilder()
                    .putParams("model", text(backbone))
                    .putParams("pool", text("mean")));
    Relation rows = ((org.apache.spark.sql.connect.Dataset<Row>) files).plan().getRoot();
    return transformed(spark, transform, rows)
        .selectExpr("size(embedding) AS dimension")
        .groupBy("dimension")
        .count();
  }

  private static Dataset<Row> transformed(
      SparkSession spark, MlRelation.Transform.Builder transform, Relation rows) {
    transform.setInput(rows);
    return spark.newDataFrame(
        relation -> {
          relation.setMlRelation(MlRelation.newBuilder().setTransform(transform));
          return BoxedUnit.UNIT;
        });
  }

  private static void save(SparkSession spark, ObjectRef model, String path) {
    MlCommand.Write.Builder write =
        MlCommand.Write.newBuilder().setObjRef(model).setPath(path).setShouldOverwrite(true);
    execute(spark, MlCommand.newBuilder().setWrite(write));
  }
}
