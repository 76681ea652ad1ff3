package io.squeeze.search;

import static org.assertj.core.api.Assertions.assertThat;

import io.squeeze.config.Seeds;
import io.squeeze.torch.Torch;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** Searches against the plain definitions. */
class SearchTest {
  private static final int WIDTH = 12;

  @BeforeAll
  static void start() {
    Torch.start(1);
  }

  private static float[][] vectors(String purpose, int count) {
    SplittableRandom random = Seeds.random(7, purpose);
    float[][] vectors = new float[count][WIDTH];
    for (float[] vector : vectors) {
      for (int j = 0; j < WIDTH; j++) {
        vector[j] = (float) Seeds.gaussian(random);
      }
    }
    return vectors;
  }

  private static float[] flat(float[][] vectors) {
    float[] flat = new float[vectors.length * WIDTH];
    for (int i = 0; i < vectors.length; i++) {
      System.arraycopy(vectors[i], 0, flat, i * WIDTH, WIDTH);
    }
    return flat;
  }

  private static double squared(float[] a, float[] b) {
    double sum = 0;
    for (int j = 0; j < a.length; j++) {
      sum += ((double) a[j] - b[j]) * ((double) a[j] - b[j]);
    }
    return sum;
  }

  @Test
  void theNearestAreThoseOfASortAndTiesHaveAnOrder() {
    SplittableRandom random = Seeds.random(1, "offers");
    for (int k : new int[] {1, 7, 100, 500}) {
      Nearest nearest = new Nearest(k);
      float[] offered = new float[300];
      for (int row = 0; row < offered.length; row++) {
        // Few different distances: many ties.
        offered[row] = random.nextInt(40);
        nearest.offer(offered[row], row);
      }
      List<Integer> expected =
          IntStream.range(0, offered.length)
              .boxed()
              .sorted(
                  Comparator.comparingDouble((Integer row) -> offered[row])
                      .thenComparing(row -> row))
              .limit(k)
              .toList();
      assertThat(Arrays.stream(nearest.sorted()).map(Nearest.Found::row).toList())
          .isEqualTo(expected);
    }
  }

  @Test
  void aScanGivesTheDistancesToTheSumsOfCodewords() {
    float[][] levels = {
      flat(vectors("first", 50)), flat(vectors("second", 30)), flat(vectors("third", 200))
    };
    // Far from zero, as codewords with a bias are.
    for (int i = 0; i < levels[0].length; i++) {
      levels[0][i] += 1000;
    }
    Codewords words = new Codewords(levels, WIDTH);
    SplittableRandom random = Seeds.random(2, "codes");
    CodeList list = new CodeList(words);
    List<float[]> decoded = new ArrayList<>();
    for (int i = 0; i < 2500; i++) {
      int[] codes = {random.nextInt(50), random.nextInt(30), random.nextInt(200)};
      list.add(codes);
      decoded.add(words.decode(codes, 0));
    }
    float[][] queries = vectors("queries", 5);
    for (float[] query : queries) {
      for (int j = 0; j < WIDTH; j++) {
        query[j] += 1000;
      }
    }
    float[] products = words.products(queries);
    for (int q = 0; q < queries.length; q++) {
      float[] query = queries[q];
      Nearest nearest = new Nearest(10);
      list.scan(products, q, 100, 2400, nearest);
      Nearest.Found[] found = nearest.sorted();
      double[] truth =
          IntStream.range(100, 2400)
              .mapToDouble(i -> squared(query, decoded.get(i)))
              .sorted()
              .limit(10)
              .toArray();
      for (int n = 0; n < 10; n++) {
        double distance = found[n].distance() + words.square(query);
        assertThat(distance).isCloseTo(truth[n], within(1e-2));
        assertThat(squared(query, decoded.get(found[n].row()))).isCloseTo(distance, within(1e-2));
      }
    }
  }

  private static org.assertj.core.data.Offset<Double> within(double error) {
    return org.assertj.core.data.Offset.offset(error);
  }

  @Test
  void listsAreTheNearestCentroidsHoweverManyVectorsAreAsked() {
    float[][] centres = vectors("centres", 40);
    Centroids centroids = new Centroids(flat(centres), WIDTH);
    float[][] vectors = vectors("asked", 150);
    int[][] lists = centroids.nearest(vectors, 5);
    for (int i = 0; i < vectors.length; i++) {
      float[] vector = vectors[i];
      List<Integer> expected =
          IntStream.range(0, 40)
              .boxed()
              .sorted(Comparator.comparingDouble(list -> squared(vector, centres[list])))
              .limit(5)
              .toList();
      assertThat(lists[i]).containsExactly(expected.stream().mapToInt(n -> n).toArray());
      assertThat(centroids.nearest(new float[][] {vector}, 5)[0]).isEqualTo(lists[i]);
    }
  }

  @Test
  void whatIsNearIsAtHomeInAListThatIsVisited() {
    Centroids centroids = new Centroids(flat(vectors("centres", 40)), WIDTH);
    SplittableRandom random = Seeds.random(3, "steps");
    double radius = 0.8;
    int elsewhere = 0;
    for (float[] vector : vectors("asked", 300)) {
      float[] near = vector.clone();
      double length = 0;
      float[] step = new float[WIDTH];
      for (int j = 0; j < WIDTH; j++) {
        step[j] = (float) Seeds.gaussian(random);
        length += (double) step[j] * step[j];
      }
      for (int j = 0; j < WIDTH; j++) {
        near[j] += (float) (0.999 * radius * step[j] / Math.sqrt(length));
      }
      int[] visited = centroids.around(new float[][] {vector}, radius, 39)[0];
      int home = centroids.nearest(new float[][] {near}, 1)[0][0];
      assertThat(visited).contains(home);
      elsewhere += home == visited[0] ? 0 : 1;
    }
    assertThat(elsewhere).isGreaterThan(50);
  }

  /** Every vector of 200 groups of equal size, a little moved. */
  private static List<float[]> moved(int copies) {
    List<float[]> all = new ArrayList<>();
    SplittableRandom random = Seeds.random(4, "moved");
    for (int copy = 0; copy < copies; copy++) {
      for (float[] vector : vectors("groups", 200)) {
        float[] moved = vector.clone();
        moved[0] += (float) (0.01 * random.nextDouble());
        all.add(moved);
      }
    }
    return all;
  }

  @Test
  void pairsJoinEveryGroupWithoutMorePairsThanItNeeds() {
    List<float[]> all = moved(4);
    List<int[]> pairs = new ArrayList<>();
    SimilarPairs.Taken taken = (a, b) -> pairs.add(new int[] {a, b});
    SimilarPairs near = new SimilarPairs(WIDTH, 0.05);
    near.new Home(all, taken);
    assertThat(pairs).hasSize(600).allMatch(pair -> pair[0] % 200 == pair[1] % 200);
    // Visitors are compared with those at home, and meet each group once.
    pairs.clear();
    SimilarPairs.Home home = near.new Home(all.subList(0, 400), taken);
    assertThat(pairs).hasSize(200);
    home.visit(all.subList(400, 500), taken);
    home.visit(all.subList(500, 800), taken);
    assertThat(pairs).hasSize(600).allMatch(pair -> pair[0] < 200 && pair[0] == pair[1] % 200);
  }

  @Test
  void aListThatIsTooLongIsComparedWithOneOfEachGroup() {
    List<float[]> all = moved(4);
    List<int[]> pairs = new ArrayList<>();
    SimilarPairs.Stream stream = new SimilarPairs(WIDTH, 0.05).new Stream(250);
    for (int from = 0; from < all.size(); from += 100) {
      stream.add(all.subList(from, from + 100), (a, b) -> pairs.add(new int[] {a, b}));
    }
    assertThat(pairs).hasSize(600).allMatch(pair -> pair[0] == pair[1] % 200);
  }
}
