package io.squeeze.jobs.extract;

import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.extract.FileResult.Tally;
import io.squeeze.jobs.publish.DataFile;
import io.squeeze.jobs.publish.ParquetFile;
import io.squeeze.jobs.storage.HadoopStorage;
import io.squeeze.storage.Storage;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.util.Optional;
import org.apache.spark.TaskContext;
import org.apache.spark.api.java.function.Function;

/** Takes a file of the version before over into the next one, checked by its digest. */
record FileCopy(HadoopStorage storage, String source, String target, String run, Earlier left)
    implements Function<DataFile, FileResult> {

  @Override
  public FileResult call(DataFile file) throws IOException {
    String stem = FilePlan.stemOf(file.path());
    for (String earlier : left.of(stem)) {
      Optional<DataFile> found = copied(earlier, file);
      if (found.isPresent()) {
        return new FileResult(found.get(), null, Tally.NOTHING);
      }
    }
    String name = stem + "-" + run + "-" + TaskContext.get().taskAttemptId() + ".parquet";
    try (InputStream in = storage.open(Storage.join(source, file.path()));
        OutputStream out = storage.write(Storage.join(target, name))) {
      in.transferTo(out);
    }
    return new FileResult(
        copied(name, file)
            .orElseThrow(
                () ->
                    SqueezeException.input(
                        Storage.join(source, file.path())
                            + " is damaged: its SHA-256 is not that of the manifest; delete "
                            + source
                            + " and extract again")),
        null,
        Tally.NOTHING);
  }

  private Optional<DataFile> copied(String name, DataFile file) throws IOException {
    return ParquetFile.find(storage, Storage.join(target, name), name)
        .filter(copy -> copy.sha256().equals(file.sha256()));
  }
}
