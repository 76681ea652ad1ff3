package io.squeeze.track;

import java.io.IOException;

/** A server's answer that trying again does not change. */
final class Refusal extends IOException {
  private static final long serialVersionUID = 1L;
  private final boolean lasting;

  private Refusal(String message, boolean lasting) {
    super(message);
    this.lasting = lasting;
  }

  /** Of us: credentials, or a server of another kind. */
  static Refusal ofAll(String message) {
    return new Refusal(message, true);
  }

  /** Of what was sent; the next may pass. */
  static Refusal ofThis(String message) {
    return new Refusal(message, false);
  }

  /**
   * An HTTP status that is no success.
   *
   * @param message names the server, what was asked and what it said
   */
  static IOException of(int status, String message) {
    return switch (status) {
      case 401, 403 -> ofAll(message);
      case 408, 425, 429 -> new IOException(message);
      default -> status < 500 ? ofThis(message) : new IOException(message);
    };
  }

  boolean lasting() {
    return lasting;
  }
}
