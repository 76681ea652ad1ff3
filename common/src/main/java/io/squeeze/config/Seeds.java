package io.squeeze.config;

import java.nio.charset.StandardCharsets;
import java.util.SplittableRandom;

/** Derives every random choice from one seed, a purpose and an id; never from order or clock. */
public final class Seeds {
  private static final long FNV_OFFSET = 0xcbf29ce484222325L;
  private static final long FNV_PRIME = 0x100000001b3L;

  private Seeds() {}

  /** A generator for one purpose: the same seed and purpose give the same sequence. */
  public static SplittableRandom random(long seed, String purpose) {
    return new SplittableRandom(hash(seed, purpose, ""));
  }

  /** Uniform 64 bits from (seed, purpose, id): FNV-1a over UTF-8, then MurmurHash3's finalizer. */
  public static long hash(long seed, String purpose, String id) {
    long h = FNV_OFFSET ^ mix(seed);
    h = absorb(h, purpose);
    h = (h ^ 0xff) * FNV_PRIME;
    h = absorb(h, id);
    return mix(h);
  }

  /** Whether a uniform hash falls into the first {@code share} of all. */
  public static boolean takes(long hash, double share) {
    return (hash >>> 1) < share * Long.MAX_VALUE;
  }

  /** A standard normal number (Box and Muller), the same on every platform. */
  public static double gaussian(SplittableRandom random) {
    double radius = StrictMath.sqrt(-2 * StrictMath.log(1 - random.nextDouble()));
    return radius * StrictMath.cos(2 * Math.PI * random.nextDouble());
  }

  private static long absorb(long start, String text) {
    long h = start;
    for (byte b : text.getBytes(StandardCharsets.UTF_8)) {
      h = (h ^ (b & 0xff)) * FNV_PRIME;
    }
    return h;
  }

  private static long mix(long value) {
    long h = value;
    h = (h ^ (h >>> 33)) * 0xff51afd7ed558ccdL;
    h = (h ^ (h >>> 33)) * 0xc4ceb9fe1a85ec53L;
    return h ^ (h >>> 33);
  }
}
