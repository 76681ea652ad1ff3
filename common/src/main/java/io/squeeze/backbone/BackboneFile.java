package io.squeeze.backbone;

import io.squeeze.config.BackboneSettings.Layout;
import io.squeeze.config.ImageSettings.Windows;
import io.squeeze.config.SqueezeException;
import io.squeeze.image.Preprocessing;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.Serializable;
import java.nio.charset.StandardCharsets;
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
 * @param precision the type that it computes in, if we packed the program
 * @param windows that slide over the prepared photo; null where it is seen as a whole
 */
public record BackboneFile(
    String name,
    String digest,
    Preprocessing preprocessing,
    Precision precision,
    Output output,
    Windows windows)
    implements Serializable {

  /**
   * The layout of the program's output.
   *
   * @param prefix number of tokens before those of the grid, such as a class token
   */
  public record Output(Layout layout, int prefix) implements Serializable {
    public static final Output GRID = new Output(Layout.NCHW, 0);
  }

  /** Describes the file at a path: a program that computes in float32 and gives [B, C, h, w]. */
  public static BackboneFile of(String name, Path path, Preprocessing preprocessing) {
    return of(name, path, preprocessing, Precision.FP32, Output.GRID);
  }

  /** Describes the file at a path. */
  public static BackboneFile of(
      String name, Path path, Preprocessing preprocessing, Precision precision, Output output) {
    return new BackboneFile(name, digest(path), preprocessing, precision, output, null);
  }

  /** The same program, seeing windows of a photo; null for the whole. */
  public BackboneFile over(Windows windows) {
    return new BackboneFile(name, digest, preprocessing, precision, output, windows);
  }

  /** Side of the square that the program reads, in pixels. */
  int side() {
    return windows == null ? preprocessing.size() : windows.side();
  }

  /**
   * SHA-256 of a file, in hex.
   *
   * @throws SqueezeException of category input if it cannot be read
   */
  public static String digest(Path path) {
    try (InputStream in = Files.newInputStream(path)) {
      return digest(in);
    } catch (IOException e) {
      throw SqueezeException.input("Cannot read the backbone " + path + " (--model)", e);
    }
  }

  /** SHA-256 of what is left in a stream, in hex. */
  public static String digest(InputStream in) throws IOException {
    MessageDigest sha = sha256();
    new DigestInputStream(in, sha).transferTo(OutputStream.nullOutputStream());
    return HexFormat.of().formatHex(sha.digest());
  }

  /** SHA-256 of a text in UTF-8, in hex. */
  public static String digest(String text) {
    return HexFormat.of().formatHex(sha256().digest(text.getBytes(StandardCharsets.UTF_8)));
  }

  private static MessageDigest sha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("Every Java has SHA-256", e);
    }
  }
}
