package io.squeeze;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.Device;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.squeeze.backbone.*;
import io.squeeze.codec.BitPacking;
import io.squeeze.config.Settings;
import io.squeeze.dataset.*;
import io.squeeze.image.*;
import io.squeeze.metric.ConfusionMatrix;
import io.squeeze.segment.*;
import io.squeeze.storage.Storage;
import io.squeeze.torch.*;
import java.nio.file.Path;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The walk of one sample, without Spark: photo, features, codes, bytes, codes, features, mask, IoU.
 */
class PipelineWalkTest {
  @Test
  void onePhotoBecomesFiftySixBytesAndAMask(@TempDir Path folder) throws Exception {
    Torch.start(2);
    new Shapes(42).write(folder, 6);
    Settings settings = Settings.defaults();
    SegmentationDataset pets = new OxfordPet();
    var sample = pets.samples(Storage.local(), folder.toString(), "trainval").findFirst().get();
    ImageDecoder decoder = new ImageDecoder(settings.image());
    Preprocessing preprocessing = Preprocessing.from(settings.image());
    byte[] file = decoder.read(Storage.local(), folder.resolve(sample.image()).toString());
    RgbImage photo = preprocessing.crop(decoder.decodeRgb(file)); // [224, 224, 3]
    byte[] png = decoder.read(Storage.local(), folder.resolve(sample.mask()).toString());
    Mask truth = preprocessing.crop(pets.labelled(decoder.decodeMask(png))); // 0..2
    Path program = new Packing(new VitB32(), Precision.FP32, folder, false).random(42);
    BackboneFile vit = BackboneFile.of("vit", program, preprocessing);
    Backbone backbone = TorchScriptBackbone.shared(vit, program, Device.cpu());
    SqueezeModel model = new SqueezeModel(settings, backbone.grid().channels(), 3);
    try (NDManager manager = Torch.manager(Device.cpu());
        Parameters parameters = new Parameters(manager, model.initial(42))) {
      var shape = new Shape(1, 3, 224, 224);
      var image = Torch.floats(manager, shape, b -> preprocessing.normalise(photo, b));
      var features = backbone.features(image); // [1, 768, 7, 7]
      var quantized = model.quantize(features, parameters);
      BitPacking packing = new BitPacking(512);
      byte[] packed = packing.pack(quantized.codeValues()); // 49 codes of 9 bits
      assertThat(packed).hasSize(56); // of 150,528 bytes: 2,688 times smaller
      long[] back = IntStream.of(packing.unpack(packed, 49)).asLongStream().toArray();
      var decoded = model.decode(manager.create(back).expandDims(1), 7, 7, parameters);
      assertThat(Torch.tensor(decoded).bytes())
          .isEqualTo(Torch.tensor(model.decode(quantized.codes(), 7, 7, parameters)).bytes());
      var output = model.forward(features, image, parameters, ForwardContext.NONE);
      assertThat(ConfusionMatrix.of(3, truth.data(), output.masks()).meanIou()).isBetween(0.0, 1.0);
    }
  }
}
