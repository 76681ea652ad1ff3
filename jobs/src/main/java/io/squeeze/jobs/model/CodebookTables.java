package io.squeeze.jobs.model;

import io.squeeze.codec.CodeCodec;
import io.squeeze.config.SqueezeException;
import io.squeeze.jobs.publish.Coding;
import java.io.Serializable;
import java.util.Arrays;

/**
 * The vectors that the codes of a quantizer stand for, in the space of the features or in the space
 * where the quantizer searches. A vector is the sum of its levels' vectors.
 */
public final class CodebookTables implements Serializable {
  private static final long serialVersionUID = 1L;

  /**
   * Largest number of products of two levels' codes that are stored: 64 MB. With more, each
   * distance computes the products that it needs.
   */
  private static final long MOST_PRODUCTS = 1L << 24;

  /** Below this share of the usual length, a vector is none: products are in float. */
  private static final double SHORTEST = 1e-5;

  private final String name;
  private final int[] levels;
  private final float[][] vectors;
  private final int width;
  private final Coding coding;
  private final boolean orthogonal;
  private transient volatile Compared compared;
  private transient volatile float[][] products;
  private transient volatile Tables zero;
  private transient CodeCodec codec;

  /**
   * A model.
   *
   * @param name for messages
   * @param levels codes of each level
   * @param vectors [level][K * d]; null where only {@link #unpack} is asked for
   * @param coding how the codes stand in their column; null for arrays
   * @param orthogonal whether vectors of different levels are orthogonal, but for what all have in
   *     common
   */
  public CodebookTables(
      String name, int[] levels, float[][] vectors, Coding coding, boolean orthogonal) {
    this.orthogonal = orthogonal;
    this.name = name;
    this.levels = levels;
    this.vectors = vectors;
    this.width = vectors == null ? 0 : vectors[0].length / levels[0];
    this.coding = coding;
  }

  /**
   * The vectors of codes, one after the other: [n * d].
   *
   * @param first how many levels count; the others add nothing
   */
  public float[] decode(int[] codes, int first) {
    check(codes);
    int depth = levels.length;
    float[] sums = new float[codes.length / depth * width];
    for (int i = 0; i < codes.length; i++) {
      if (i % depth >= first) {
        continue;
      }
      int to = i / depth * width;
      int from = codes[i] * width;
      float[] level = vectors[i % depth];
      for (int j = 0; j < width; j++) {
        sums[to + j] += level[from + j];
      }
    }
    return sums;
  }

  private void check(int[] codes) {
    try {
      CodeCodec.check(codes, levels);
    } catch (SqueezeException e) {
      throw SqueezeException.input(e.getMessage() + " (" + name + ")", e);
    }
  }

  /** The {@code count} codes in a binary column. */
  public int[] unpack(byte[] packed, int count) {
    if (codec == null) {
      if (coding == null) {
        throw SqueezeException.input("The codes of " + name + " are arrays, nothing is packed");
      }
      codec = coding.implementation();
    }
    try {
      return codec.unpack(packed, count);
    } catch (SqueezeException e) {
      throw SqueezeException.input(e.getMessage() + " (" + name + ")", e);
    }
  }

  /**
   * The part of the squared distance to a query that each code adds: tables [level][K] of {@code
   * |c|^2 - 2 q c}.
   *
   * @param square the part that no code changes
   * @param length of the query
   */
  public record Tables(double square, double length, double[][] byCode) {}

  /**
   * The vectors as distances take them. Those of the first level, which bring what all vectors have
   * in common, stand less their mean: products of vectors far from zero would hide the differences.
   *
   * @param centre [d]
   * @param squares [level][K]
   * @param length that is usual for a decoded vector; 1 where all are zero
   */
  private record Compared(float[] centre, float[][] vectors, double[][] squares, double length) {}

  private Compared compared() {
    Compared known = compared;
    return known == null ? compare() : known;
  }

  private synchronized Compared compare() {
    if (compared == null) {
      float[] first = vectors[0].clone();
      float[] centre = new float[width];
      for (int j = 0; j < width; j++) {
        double sum = 0;
        for (int at = j; at < first.length; at += width) {
          sum += first[at];
        }
        centre[j] = (float) (sum / levels[0]);
        for (int at = j; at < first.length; at += width) {
          first[at] -= centre[j];
        }
      }
      float[][] all = vectors.clone();
      all[0] = first;
      double[][] squares = new double[levels.length][];
      double usual = dot(centre, 0, centre, 0);
      for (int l = 0; l < levels.length; l++) {
        squares[l] = new double[levels[l]];
        for (int k = 0; k < levels[l]; k++) {
          squares[l][k] = dot(all[l], k * width, all[l], k * width);
        }
        usual += Arrays.stream(squares[l]).average().orElse(0);
      }
      compared = new Compared(centre, all, squares, usual > 0 ? Math.sqrt(usual) : 1);
    }
    return compared;
  }

  /** Bytes of the tables of one vector. */
  public long tableBytes() {
    return 8L * Arrays.stream(levels).sum();
  }

  /** The tables of each vector of a query: [m * d]. */
  public Tables[] tables(float[] query) {
    Compared own = compared();
    float[] centred = query.clone();
    for (int i = 0; i < centred.length; i++) {
      centred[i] -= own.centre()[i % width];
    }
    Tables[] tables = new Tables[query.length / width];
    for (int m = 0; m < tables.length; m++) {
      int at = m * width;
      double[][] byCode = new double[levels.length][];
      for (int l = 0; l < levels.length; l++) {
        byCode[l] = new double[levels[l]];
        for (int k = 0; k < levels[l]; k++) {
          double along = dot(own.vectors()[l], k * width, centred, at);
          byCode[l][k] = own.squares()[l][k] - 2 * along;
        }
      }
      double length = Math.sqrt(dot(query, at, query, at));
      tables[m] = new Tables(dot(centred, at, centred, at), length, byCode);
    }
    return tables;
  }

  /**
   * The distance of a query to codes, by lookups alone. For each vector of the query it takes the
   * Euclidean distance to the nearest vector of the codes, and returns the mean. For one vector
   * this is the asymmetric distance (Jegou, Douze and Schmid, Product Quantization for Nearest
   * Neighbor Search, 2011).
   *
   * @param first how many levels count
   */
  public double distance(int[] codes, Tables[] query, int first) {
    double[] cross = cross(codes, first);
    double sum = 0;
    for (Tables tables : query) {
      double nearest = Double.POSITIVE_INFINITY;
      for (double squared : squares(codes, cross, tables, first)) {
        nearest = Math.min(nearest, squared);
      }
      sum += Math.sqrt(Math.max(0, nearest));
    }
    return sum / query.length;
  }

  /**
   * The cosine similarity of a query to codes, by lookups alone: for each vector of the query that
   * of the most similar vector of the codes, and their mean. With d the distance to a vector c of
   * the codes and l its length, {@code 2 q c = |q|^2 + l^2 - d^2}.
   *
   * @param query of {@link #scaled} vectors
   * @param first how many levels count
   * @return NaN if a vector of the query, or every vector of the codes, has no direction
   */
  public double cosine(int[] codes, Tables[] query, int first) {
    double[] cross = cross(codes, first);
    double[] lengths = squares(codes, cross, zero(), first);
    double shortest = Math.pow(SHORTEST * compared().length(), 2);
    for (int i = 0; i < lengths.length; i++) {
      lengths[i] = lengths[i] > shortest ? Math.sqrt(lengths[i]) : 0;
    }
    double sum = 0;
    for (Tables tables : query) {
      double most = Double.NEGATIVE_INFINITY;
      double[] squares = squares(codes, cross, tables, first);
      for (int i = 0; i < lengths.length; i++) {
        double both = 2 * tables.length() * lengths[i];
        if (both > 0) {
          double dot = tables.length() * tables.length() + lengths[i] * lengths[i] - squares[i];
          most = Math.max(most, Math.max(-1, Math.min(1, dot / both)));
        }
      }
      sum += most;
    }
    return Double.isInfinite(sum) ? Double.NaN : sum / query.length;
  }

  /**
   * Vectors of the directions of a query [m * d], as long as the vectors of codes are: much longer
   * or shorter ones would hide in {@code |q|^2 + l^2 - d^2} how they differ from those.
   */
  public float[] scaled(float[] query) {
    float[] scaled = new float[query.length];
    double length = compared().length();
    for (int from = 0; from < query.length; from += width) {
      double own = Math.sqrt(dot(query, from, query, from));
      for (int j = from; j < from + width && own > 0; j++) {
        scaled[j] = (float) (query[j] / own * length);
      }
    }
    return scaled;
  }

  /** The squared distances of a query to the vectors of codes. */
  private double[] squares(int[] codes, double[] cross, Tables query, int first) {
    int depth = levels.length;
    double[] squares = new double[cross.length];
    for (int i = 0; i < squares.length; i++) {
      squares[i] = query.square() + cross[i];
      for (int l = 0; l < Math.min(first, depth); l++) {
        squares[i] += query.byCode()[l][codes[i * depth + l]];
      }
    }
    return squares;
  }

  private Tables zero() {
    Tables known = zero;
    if (known == null) {
      known = tables(new float[width])[0];
      zero = known;
    }
    return known;
  }

  /** For each vector of codes, twice the products of what its levels stand for. */
  private double[] cross(int[] codes, int first) {
    check(codes);
    int depth = levels.length;
    double[] cross = new double[codes.length / depth];
    if (depth > 1 && !orthogonal) {
      float[][] known = products();
      for (int i = 0; i < cross.length; i++) {
        cross[i] = cross(codes, i * depth, known, first);
      }
    }
    return cross;
  }

  /** Twice the products of what different levels of a vector stand for. */
  private double cross(int[] codes, int at, float[][] known, int first) {
    float[][] own = compared().vectors();
    double sum = 0;
    int pair = 0;
    for (int l = 0; l < levels.length; l++) {
      for (int m = l + 1; m < levels.length; m++, pair++) {
        if (m >= first) {
          continue;
        }
        int a = codes[at + l];
        int b = codes[at + m];
        sum +=
            known.length == 0
                ? 2 * dot(own[l], a * width, own[m], b * width)
                : known[pair][a * levels[m] + b];
      }
    }
    return sum;
  }

  private float[][] products() {
    float[][] known = products;
    return known == null ? multiply() : known;
  }

  private synchronized float[][] multiply() {
    if (products == null) {
      long all = 0;
      for (int l = 0; l < levels.length; l++) {
        for (int m = l + 1; m < levels.length; m++) {
          all += (long) levels[l] * levels[m];
        }
      }
      products = all > MOST_PRODUCTS ? new float[0][] : multiplied();
    }
    return products;
  }

  private float[][] multiplied() {
    float[][] own = compared().vectors();
    float[][] pairs = new float[levels.length * (levels.length - 1) / 2][];
    int pair = 0;
    for (int l = 0; l < levels.length; l++) {
      for (int m = l + 1; m < levels.length; m++, pair++) {
        pairs[pair] = new float[levels[l] * levels[m]];
        for (int a = 0; a < levels[l]; a++) {
          for (int b = 0; b < levels[m]; b++) {
            pairs[pair][a * levels[m] + b] =
                (float) (2 * dot(own[l], a * width, own[m], b * width));
          }
        }
      }
    }
    return pairs;
  }

  private double dot(float[] a, int atA, float[] b, int atB) {
    // Four sums: one would wait for itself at every step.
    double s0 = 0;
    double s1 = 0;
    double s2 = 0;
    double s3 = 0;
    int j = 0;
    for (; j + 4 <= width; j += 4) {
      s0 += (double) a[atA + j] * b[atB + j];
      s1 += (double) a[atA + j + 1] * b[atB + j + 1];
      s2 += (double) a[atA + j + 2] * b[atB + j + 2];
      s3 += (double) a[atA + j + 3] * b[atB + j + 3];
    }
    for (; j < width; j++) {
      s0 += (double) a[atA + j] * b[atB + j];
    }
    return s0 + s1 + s2 + s3;
  }

  @Override
  public String toString() {
    return name;
  }
}
