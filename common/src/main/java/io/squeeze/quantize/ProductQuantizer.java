package io.squeeze.quantize;

import ai.djl.ndarray.*;
import io.squeeze.config.QuantizerSettings;
import io.squeeze.config.SqueezeException;
import io.squeeze.torch.Parameters;
import io.squeeze.torch.ScriptBody;
import java.util.*;

/**
 * pq: cuts a vector into parts and quantizes each with a codebook of its own (Jegou et al. 2011).
 */
public final class ProductQuantizer implements QuantizerType {

  @Override
  public String name() {
    return "pq"; // --quantizer_type pq
  }

  @Override
  public Quantizer create(QuantizerSettings settings, int channels) {
    int width = settings.width(channels, 64); // --bottleneck_dim, else 64
    int count = settings.numQuantizers(); // --num_quantizers
    if (width % count != 0) {
      throw SqueezeException.configuration(
          "Cannot cut " + width + " dimensions (--bottleneck_dim) into " + count + " parts of pq");
    }
    List<EmaCodebook> codebooks = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      String name = "quantizer.parts." + i + ".codebook";
      int codes = settings.codebookSize(256);
      codebooks.add(new EmaCodebook(name, codes, width / count, settings.codebook(), false));
    }
    Quantizer parts = new Parts(codebooks, settings.commitment());
    return Quantizer.projected(settings, channels, width, parts);
  }

  @Override
  public int widthMultiple(QuantizerSettings settings) {
    return settings.numQuantizers();
  }

  private record Parts(List<EmaCodebook> codebooks, double commitment) implements Quantizer {

    @Override
    public int[] codebookSizes() {
      return codebooks.stream().mapToInt(EmaCodebook::codes).toArray();
    }

    @Override
    public boolean orthogonal() {
      return true;
    }

    @Override
    public Optional<Refit<?>> refit() {
      return Optional.of(new RotationRefit(codebooks));
    }

    @Override
    public Quantized quantize(NDArray vectors, Parameters parameters, Mode mode) {
      NDArray searched = vectors.stopGradient();
      NDArray codes = codes(searched, parameters);
      NDArray found = decode(codes, parameters);
      NDArray loss = Quantizer.commitment(vectors, found, commitment, mode);
      NDList parts = searched.split(codebooks.size(), 1);
      return new Quantized(Quantizer.straight(vectors, found, mode), codes, parts, loss);
    }

    @Override
    public NDArray codes(NDArray vectors, Parameters parameters) {
      NDList parts = vectors.split(codebooks.size(), 1);
      NDList codes = new NDList();
      for (int i = 0; i < parts.size(); i++) {
        codes.add(codebooks.get(i).nearest(parts.get(i), parameters));
      }
      return NDArrays.stack(codes, 1); // [N, parts]
    }

    @Override
    public NDArray decode(NDArray codes, Parameters parameters) {
      NDList parts = new NDList();
      for (int i = 0; i < codebooks.size(); i++) {
        parts.add(codebooks.get(i).decode(codes.get(":, " + i), parameters));
      }
      return NDArrays.concat(parts, 1);
    }

    @Override
    public String encodeScript(ScriptBody body, String vectors) {
      List<String> codes = new ArrayList<>();
      for (int i = 0; i < codebooks.size(); i++) {
        int width = codebooks.get(i).width();
        String part =
            body.let("torch.slice(%s, 1, %d, %d, 1)", vectors, i * width, (i + 1) * width);
        codes.add(codebooks.get(i).nearestScript(body, part));
      }
      return body.let("torch.stack([%s], 1)", String.join(", ", codes));
    }

    @Override
    public String decodeScript(ScriptBody body, String codes) {
      List<String> parts = new ArrayList<>();
      for (int i = 0; i < codebooks.size(); i++) {
        parts.add(codebooks.get(i).lookupScript(body, codes, i));
      }
      return body.let("torch.cat([%s], 1)", String.join(", ", parts));
    }
  }
}
