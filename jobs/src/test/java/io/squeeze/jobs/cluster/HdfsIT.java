package io.squeeze.jobs.cluster;

import static org.assertj.core.api.Assertions.assertThat;

import com.typesafe.config.ConfigFactory;
import io.squeeze.config.Settings;
import io.squeeze.jobs.Fixture;
import io.squeeze.jobs.encode.EncodeJob;
import io.squeeze.jobs.evaluate.EvaluateJob;
import io.squeeze.jobs.extract.ExtractJob;
import io.squeeze.jobs.model.TrainedQuantizer;
import io.squeeze.jobs.spark.Sessions;
import io.squeeze.jobs.train.TrainJob;
import io.squeeze.jobs.visualize.VisualizeJob;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.hdfs.MiniDFSCluster;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Photos, embeddings, runs, codes and reports on HDFS: the same bytes as on the local disk. */
@Timeout(200)
@Tag("cluster")
class HdfsIT {
  @TempDir Path folder;

  @Test
  void theWholeWalkLivesOnHdfs() throws Exception {
    Fixture fixture = new Fixture(folder, 24);
    Configuration conf = new Configuration();
    conf.set(MiniDFSCluster.HDFS_MINIDFS_BASEDIR, folder.resolve("dfs").toString());
    try (MiniDFSCluster hdfs = new MiniDFSCluster.Builder(conf).numDataNodes(1).build();
        FileSystem files = hdfs.getFileSystem();
        SparkSession spark = Fixture.local("local[2]")) {
      files.copyFromLocalFile(
          new org.apache.hadoop.fs.Path(fixture.photos().toString()),
          new org.apache.hadoop.fs.Path("/shapes"));
      String root = files.getUri().toString();
      Settings there =
          fixture
              .settings("e", "")
              .with(
                  ConfigFactory.parseMap(
                      Map.of(
                          "data.path", root + "/shapes",
                          "embeddings", root + "/emb",
                          "output.dir", root + "/outputs",
                          "track.tensorboard", "true",
                          "visualize.dir", root + "/pictures")));
      String checkpoint = walk(spark, there, root + "/codes");
      new VisualizeJob(
              Fixture.squeeze(spark),
              new EvaluateJob.Request(checkpoint, null, null, "test", null),
              null,
              there)
          .run();
      String local = walk(spark, fixture.settings("e", ""), folder + "/codes");
      assertThat(bytes(files, checkpoint)).isEqualTo(Files.readAllBytes(Path.of(local)));
      assertThat(
              spark.read().parquet(root + "/codes/v1/codes").orderBy("sample_id").collectAsList())
          .isEqualTo(
              spark
                  .read()
                  .parquet(folder + "/codes/v1/codes")
                  .orderBy("sample_id")
                  .collectAsList());
      assertThat(bytes(files, root + "/outputs/vq_squeeze/evaluation/test/summary.json"))
          .isEqualTo(
              Files.readAllBytes(
                  folder.resolve("outputs/vq_squeeze/evaluation/test/summary.json")));
      assertThat(
              files.exists(new org.apache.hadoop.fs.Path("/pictures/vq_squeeze/report_test.html")))
          .isTrue();
      assertThat(files.listStatus(new org.apache.hadoop.fs.Path("/outputs/vq_squeeze/tensorboard")))
          .hasSize(4);
    }
  }

  private static String walk(SparkSession spark, Settings settings, String codes)
      throws IOException {
    String embeddings = new ExtractJob(Fixture.squeeze(spark), settings).run().path();
    String checkpoint = TrainJob.run(Fixture.squeeze(spark), settings);
    new EvaluateJob(Fixture.squeeze(spark), EvaluateJob.Request.of(checkpoint, "test")).score();
    TrainedQuantizer encoder =
        TrainedQuantizer.open(Sessions.storage(spark), codes, checkpoint, null);
    new EncodeJob(Fixture.squeeze(spark), embeddings, encoder, "array").run();
    return checkpoint;
  }

  private static byte[] bytes(FileSystem files, String path) throws IOException {
    try (InputStream in = files.open(new org.apache.hadoop.fs.Path(path))) {
      return in.readAllBytes();
    }
  }
}
