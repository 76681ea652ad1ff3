package io.squeeze.jobs.photo;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.engine.EngineException;
import io.squeeze.config.SqueezeException;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class FittingTest {
  private final List<Integer> done = new ArrayList<>();
  private final List<Integer> sizes = new ArrayList<>();

  /** A device with memory for so many images. */
  private void run(int memory, Fitting fitting, List<Integer> batch) throws IOException {
    fitting.run(
        batch,
        part -> {
          sizes.add(part.size());
          if (part.size() > memory) {
            throw new EngineException(
                "DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes");
          }
          done.addAll(part);
        });
  }

  @Test
  void aBatchThatDoesNotFitIsHalvedAndTheSizeThatFitsIsKept() throws IOException {
    Fitting fitting = new Fitting(8);
    run(2, fitting, List.of(1, 2, 3, 4, 5, 6, 7, 8));
    run(2, fitting, List.of(9, 10, 11));
    assertThat(done).containsExactly(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11);
    assertThat(sizes).containsExactly(8, 4, 2, 2, 2, 2, 2, 1);
  }

  @Test
  void anImageThatDoesNotFitAloneAndAnyOtherFailureAreErrors() {
    assertThatThrownBy(() -> run(0, new Fitting(4), List.of(1, 2, 3, 4)))
        .isInstanceOfSatisfying(
            SqueezeException.class,
            e -> assertThat(e.category()).isEqualTo(SqueezeException.Category.RESOURCE))
        .hasMessageContaining("A single image does not fit");
    EngineException other = new EngineException("shape mismatch");
    assertThatThrownBy(
            () ->
                new Fitting(4)
                    .run(
                        List.of(1),
                        part -> {
                          throw other;
                        }))
        .isSameAs(other);
  }
}
