package io.squeeze.jobs.cluster;

import static org.assertj.core.api.Assertions.assertThat;

import com.typesafe.config.ConfigFactory;
import io.squeeze.config.Settings;
import io.squeeze.jobs.Fixture;
import io.squeeze.jobs.Shared;
import io.squeeze.jobs.Walk;
import io.squeeze.jobs.encode.EncodeJob;
import io.squeeze.jobs.evaluate.EvaluateJob;
import io.squeeze.jobs.extract.ExtractJob;
import io.squeeze.jobs.model.TrainedQuantizer;
import io.squeeze.jobs.publish.Coding;
import io.squeeze.jobs.spark.SqueezeSession;
import io.squeeze.jobs.train.TrainJob;
import io.squeeze.jobs.visualize.VisualizeJob;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.hdfs.MiniDFSCluster;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Photos, embeddings, runs, codes and reports on HDFS: the same bytes as on the local disk. */
@Timeout(200)
class HdfsIT {
  @TempDir Path folder;

  @Test
  void theWholeWalkLivesOnHdfs() throws Exception {
    Walk local = Shared.walk();
    SparkSession spark = Shared.session();
    // The usual client waits 0.4 s before it asks again whether a file has arrived.
    String wait = "dfs.client.block.write.locateFollowingBlock.initial.delay.ms";
    spark.sparkContext().hadoopConfiguration().set(wait, "10");
    SqueezeSession session = Fixture.squeeze(spark);
    Configuration conf = new Configuration();
    conf.set(wait, "10");
    conf.set(MiniDFSCluster.HDFS_MINIDFS_BASEDIR, folder.resolve("dfs").toString());
    try (MiniDFSCluster hdfs = new MiniDFSCluster.Builder(conf).numDataNodes(1).build();
        FileSystem files = hdfs.getFileSystem()) {
      files.copyFromLocalFile(
          new org.apache.hadoop.fs.Path(local.fixture().photos().toString()),
          new org.apache.hadoop.fs.Path("/shapes"));
      String root = files.getUri().toString();
      Settings there =
          local
              .settings("")
              .with(
                  ConfigFactory.parseMap(
                      Map.of(
                          "data.path", root + "/shapes",
                          "embeddings", root + "/emb",
                          "output.dir", root + "/outputs",
                          "visualize.dir", root + "/pictures")));
      String embeddings = new ExtractJob(session, there).run().path();
      String checkpoint = TrainJob.run(session, there);
      new VisualizeJob(
              session,
              new EvaluateJob.Request(checkpoint, local.baseline(), null, "test", null),
              null,
              there)
          .run();
      TrainedQuantizer encoder =
          TrainedQuantizer.open(session.storage(), root + "/codes", checkpoint, null);
      new EncodeJob(session, embeddings, encoder, Coding.ARRAY).run();
      assertThat(bytes(files, checkpoint))
          .isEqualTo(Files.readAllBytes(Path.of(local.checkpoint())));
      assertThat(codes(spark, root + "/codes")).isEqualTo(codes(spark, local.codes(Coding.ARRAY)));
      String summary = "outputs/vq_squeeze/evaluation/test/summary.json";
      assertThat(bytes(files, root + "/" + summary))
          .isEqualTo(Files.readAllBytes(local.folder().resolve(summary)));
      assertThat(
              files.exists(new org.apache.hadoop.fs.Path("/pictures/vq_squeeze/report_test.html")))
          .isTrue();
      assertThat(files.listStatus(new org.apache.hadoop.fs.Path("/outputs/vq_squeeze/tensorboard")))
          .isNotEmpty();
    }
  }

  private static List<Row> codes(SparkSession spark, String path) {
    return spark.read().parquet(path + "/v1/codes").orderBy("sample_id").collectAsList();
  }

  private static byte[] bytes(FileSystem files, String path) throws IOException {
    try (InputStream in = files.open(new org.apache.hadoop.fs.Path(path))) {
      return in.readAllBytes();
    }
  }
}
