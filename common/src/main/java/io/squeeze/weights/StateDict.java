package io.squeeze.weights;

import io.squeeze.config.SqueezeException;
import io.squeeze.storage.RandomReader;
import io.squeeze.storage.Storage;
import java.io.Closeable;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.NoSuchFileException;
import java.util.Map;

/**
 * The named tensors of a checkpoint file: {@code .pth} or {@code .pt} as {@code torch.save} writes
 * them, old or new, or safetensors. The content decides, not the name. Only the directory is read
 * at first; a tensor's bytes are read when it is written, so that one at a time is in memory.
 */
public final class StateDict implements Closeable {
  private final RandomReader file;
  private final Map<String, TensorSource> tensors;

  private StateDict(RandomReader file, Map<String, TensorSource> tensors) {
    this.file = file;
    this.tensors = tensors;
  }

  /**
   * Opens a file.
   *
   * @throws SqueezeException of category input if it is missing or not what it should be
   */
  public static StateDict open(Storage storage, String path) {
    RandomReader file = null;
    try {
      file = storage.openRandom(path);
      return new StateDict(file, tensors(file, path));
    } catch (IOException e) {
      close(file);
      if (e instanceof FileNotFoundException || e instanceof NoSuchFileException) {
        throw SqueezeException.input("No weights at " + path + " (--weights)", e);
      }
      throw SqueezeException.input("Cannot read the weights " + path + ": " + e.getMessage(), e);
    } catch (RuntimeException e) {
      close(file);
      throw e;
    }
  }

  private static void close(RandomReader file) {
    try {
      if (file != null) {
        file.close();
      }
    } catch (IOException e) {
      // What went wrong before is what the user should read.
    }
  }

  private static Map<String, TensorSource> tensors(RandomReader file, String path)
      throws IOException {
    if (file.length() < 10) {
      throw SqueezeException.input(path + " has " + file.length() + " bytes: no checkpoint");
    }
    byte[] first = new byte[10];
    file.readFully(0, first, 0, first.length);
    ByteBuffer header = ByteBuffer.wrap(first).order(ByteOrder.LITTLE_ENDIAN);
    if (header.getInt(0) == StoredZip.LOCAL_HEADER) {
      return TorchFile.read(file, path, true);
    }
    if (first[0] == (byte) 0x80) {
      return TorchFile.read(file, path, false);
    }
    if (first[8] == '{') {
      return Safetensors.lazy(file, path);
    }
    throw SqueezeException.input(
        path + " is neither a file of torch.save nor safetensors (--weights)");
  }

  /** By name, in the order of the file; usable until this is closed. */
  public Map<String, TensorSource> tensors() {
    return tensors;
  }

  @Override
  public void close() throws IOException {
    file.close();
  }
}
