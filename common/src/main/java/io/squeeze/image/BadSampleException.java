package io.squeeze.image;

/** A sample that cannot be used; becomes one row of the rejects. */
public final class BadSampleException extends Exception {
  private static final long serialVersionUID = 1L;

  /** Why a sample was rejected. */
  public enum Code {
    /** The file cannot be read. */
    IO,
    /** A listed file does not exist. */
    MISSING,
    /** The list names the same sample twice. */
    DUPLICATE,
    /** Neither JPEG, PNG, GIF, BMP, WebP nor TIFF, nor another format with a name. */
    NOT_AN_IMAGE,
    /** The data ends early. */
    TRUNCATED,
    /** The decoder fails. */
    CORRUPT,
    /** More bytes, pixels or work than the limits allow. */
    TOO_LARGE,
    /** A format, a depth or a number of bands without a defined conversion. */
    UNSUPPORTED,
    /** Image and mask differ in size. */
    SIZE_MISMATCH,
    /** The mask holds a value that the data set does not define. */
    BAD_LABEL,
    /** The backbone's features are not finite. */
    NOT_FINITE
  }

  private final Code code;

  public BadSampleException(Code code, String message) {
    super(message);
    this.code = code;
  }

  public Code code() {
    return code;
  }
}
