package io.squeeze.backbone;

import io.squeeze.config.SqueezeException;
import io.squeeze.image.Preprocessing;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.Serializable;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.DigestInputStream;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/**
 * A TorchScript program in a file: what a task needs to load a backbone.
 *
 * @param name for people: vit, or the file's name
 * @param digest SHA-256 of the file, in hex
 */
public record BackboneFile(String name, String digest, Preprocessing preprocessing)
    implements Serializable {

  /** Describes the file at a path. */
  public static BackboneFile of(String name, Path path, Preprocessing preprocessing) {
    return new BackboneFile(name, digest(path), preprocessing);
  }

  /**
   * SHA-256 of a file, in hex.
   *
   * @throws SqueezeException of category input if it cannot be read
   */
  public static String digest(Path path) {
    try (InputStream in = Files.newInputStream(path)) {
      MessageDigest sha = MessageDigest.getInstance("SHA-256");
      new DigestInputStream(in, sha).transferTo(OutputStream.nullOutputStream());
      return HexFormat.of().formatHex(sha.digest());
    } catch (IOException e) {
      throw SqueezeException.input("Cannot read the backbone " + path + " (--model)", e);
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("Every Java has SHA-256", e);
    }
  }
}
