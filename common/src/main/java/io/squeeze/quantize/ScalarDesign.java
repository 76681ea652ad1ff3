package io.squeeze.quantize;

import io.squeeze.quantize.ComponentHistograms.Counts;
import io.squeeze.weights.HostTensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/**
 * Points and penalties of {@link ScalarQuantizer} for a rate: entropy-constrained scalar
 * quantization (Chou, Lookabaugh and Gray, 1989) of each component, all with one step. One step for
 * all components is what reverse water-filling comes to.
 */
public final class ScalarDesign {
  /**
   * What a bit is worth, in squared steps: between ln 2 / 6, which holds for fine steps, and what
   * suits coarse ones.
   */
  private static final double WORTH = 0.14;

  private static final int ROUNDS = 6;
  private static final int HALVINGS = 30;

  /** The largest magnitude of a code: tables and frequencies stay small. */
  private static final int MOST = 2047;

  private final ComponentHistograms histograms;
  private final double[] deviations;

  /** The counts of each component's bins. */
  private final int[][] bins;

  /** The largest magnitude of each component. */
  private final double[] farthest;

  /** For what histograms have counted. */
  public ScalarDesign(ComponentHistograms histograms, Counts counts) {
    this.histograms = histograms;
    this.deviations = histograms.deviations();
    this.bins = new int[deviations.length][];
    this.farthest = new double[deviations.length];
    for (int j = 0; j < deviations.length; j++) {
      bins[j] = counts.of(j);
      for (int b = 0; b < bins[j].length; b++) {
        double away = bins[j][b] > 0 ? Math.abs(histograms.middle(j, b)) : 0;
        farthest[j] = Math.max(farthest[j], away);
      }
    }
  }

  /**
   * The points of one component, from the code -reach to reach.
   *
   * @param bits that each code takes
   * @param chosen how often each is
   */
  private record Points(int reach, double[] points, double[] bits, double[] chosen) {
    double rate() {
      double vectors = Arrays.stream(chosen).sum();
      double sum = 0;
      for (int k = 0; k < bits.length; k++) {
        sum += chosen[k] > 0 ? chosen[k] / vectors * bits[k] : 0;
      }
      return sum;
    }
  }

  /**
   * A quantizer's tensors.
   *
   * @param levels points of each component that gets bits
   * @param chosen how often each code was chosen, [level][K]
   * @param bits entropy of the codes of a vector
   */
  public record Design(
      List<Integer> levels, float[] points, float[] penalties, long[][] chosen, double bits) {

    /** Puts the tensors among those of a model. */
    public void into(Map<String, HostTensor> tensors) {
      tensors.put(ScalarQuantizer.POINTS, HostTensor.of(points, points.length));
      tensors.put(ScalarQuantizer.PENALTIES, HostTensor.of(penalties, penalties.length));
    }
  }

  /** The design whose codes have an entropy of about {@code bits} a vector. */
  public Design of(double bits) {
    double high = 8 * Arrays.stream(deviations).max().orElse(0);
    // Steps below these would not reach all values.
    double low = high * 1e-6;
    for (double away : farthest) {
      low = Math.max(low, away / MOST);
    }
    high = Math.max(low, high);
    for (int i = 0; i < HALVINGS; i++) {
      double step = Math.sqrt(low * high);
      if (rate(step) > bits) {
        low = step;
      } else {
        high = step;
      }
    }
    return design(high);
  }

  private double rate(double step) {
    double sum = 0;
    for (int j = 0; j < deviations.length; j++) {
      sum += points(j, step).rate();
    }
    return sum;
  }

  private Design design(double step) {
    List<Points> all = new ArrayList<>();
    int width = 1;
    for (int j = 0; j < deviations.length; j++) {
      all.add(points(j, step));
      width = all.get(j).reach() > 0 ? j + 1 : width;
    }
    List<Integer> levels = new ArrayList<>();
    List<double[]> points = new ArrayList<>();
    List<double[]> penalties = new ArrayList<>();
    long[][] chosen = new long[width][];
    double bits = 0;
    for (int j = 0; j < width; j++) {
      Points own = all.get(j);
      levels.add(own.points().length);
      points.add(own.points());
      penalties.add(Arrays.stream(own.bits()).map(b -> WORTH * step * step * b).toArray());
      chosen[j] = Arrays.stream(own.chosen()).mapToLong(n -> (long) n).toArray();
      bits += own.rate();
    }
    return new Design(levels, flat(points), flat(penalties), chosen, bits);
  }

  private static float[] flat(List<double[]> values) {
    double[] all = values.stream().flatMapToDouble(Arrays::stream).toArray();
    float[] flat = new float[all.length];
    for (int i = 0; i < flat.length; i++) {
      flat[i] = (float) all[i];
    }
    return flat;
  }

  /** Points at whole steps, then at the means of what chooses them. */
  private Points points(int component, double step) {
    int[] own = bins[component];
    int reach = (int) Math.max(1, Math.min(MOST, Math.round(farthest[component] / step)));
    double[] points = new double[2 * reach + 1];
    double[] bits = new double[points.length];
    for (int k = 0; k < points.length; k++) {
      points[k] = (k - reach) * step;
      bits[k] = 1 + 1.5 * Math.abs(k - reach);
    }
    double[] chosen = new double[points.length];
    for (int round = 0; round < ROUNDS; round++) {
      chosen = new double[points.length];
      double[] sums = new double[points.length];
      for (int b = 0; b < own.length; b++) {
        if (own[b] > 0) {
          double value = histograms.middle(component, b);
          int k = choose(value, step, reach, points, bits);
          chosen[k] += own[b];
          sums[k] += own[b] * value;
        }
      }
      double all = Arrays.stream(chosen).sum();
      for (int k = 0; k < points.length; k++) {
        points[k] = chosen[k] > 0 ? sums[k] / chosen[k] : (k - reach) * step;
        bits[k] = -Math.log(Math.max(chosen[k], 0.5) / Math.max(1, all)) / Math.log(2);
      }
    }
    return trimmed(new Points(reach, points, bits, chosen));
  }

  /** The best of the nearest point, the two nearer to zero, and zero itself. */
  private static int choose(double value, double step, int reach, double[] points, double[] bits) {
    int nearest = (int) Math.max(-reach, Math.min(reach, Math.round(value / step)));
    int sign = Integer.signum(nearest);
    int best = reach;
    double least = cost(value, step, reach, points, bits);
    for (int t = nearest; t * sign > 0 && t * sign > nearest * sign - 3; t -= sign) {
      double cost = cost(value, step, reach + t, points, bits);
      if (cost < least) {
        least = cost;
        best = reach + t;
      }
    }
    return best;
  }

  private static double cost(double value, double step, int k, double[] points, double[] bits) {
    double away = value - points[k];
    return away * away + WORTH * step * step * bits[k];
  }

  /** Without the codes at both ends that nothing chooses; a component without bits has reach 0. */
  private static Points trimmed(Points all) {
    int reach = 0;
    for (int k = 0; k < all.chosen().length; k++) {
      reach = all.chosen()[k] > 0 ? Math.max(reach, Math.abs(k - all.reach())) : reach;
    }
    int kept = Math.max(1, reach);
    int from = all.reach() - kept;
    int to = all.reach() + kept + 1;
    return new Points(
        reach,
        Arrays.copyOfRange(all.points(), from, to),
        Arrays.copyOfRange(all.bits(), from, to),
        Arrays.copyOfRange(all.chosen(), from, to));
  }
}
