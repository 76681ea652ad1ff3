package io.squeeze.track;

import java.io.IOException;

/** A server's answer that trying again does not change. */
final class Refusal extends IOException {
  private static final long serialVersionUID = 1L;
  private final boolean lasting;
  private final int status;

  private Refusal(String message, boolean lasting, int status) {
    super(message);
    this.lasting = lasting;
    this.status = status;
  }

  /**
   * The server refuses us: it does not accept the credentials, or it is a server of another kind.
   */
  static Refusal ofAll(String message) {
    return new Refusal(message, true, 0);
  }

  /** The server refuses this message; it may accept the next one. */
  static Refusal ofThis(String message) {
    return new Refusal(message, false, 0);
  }

  /**
   * An HTTP status that is no success.
   *
   * @param message names the server, what was asked and what it said
   */
  static IOException of(int status, String message) {
    return switch (status) {
      case 401, 403 -> new Refusal(message, true, status);
      case 408, 425, 429 -> new IOException(message);
      default -> status < 500 ? new Refusal(message, false, status) : new IOException(message);
    };
  }

  /** The same of what was sent alone. */
  Refusal once() {
    return new Refusal(getMessage(), false, status);
  }

  boolean lasting() {
    return lasting;
  }

  /** The server's status; 0 where it gave none. */
  int status() {
    return status;
  }
}
