# The ResNet-50 of torchvision's deeplabv3_resnet50 (output stride 8) without its classifier, in
# serialised TorchScript: [B, 3, S, S] -> [B, 2048, S / 8, S / 8]. Batch norm is folded into the
# convolutions. A convolution of 1 x 1 is a linear layer over the channels of channels-last memory.
# Comments and blank lines are left out when the program is written.

# A bottleneck block: 1 x 1, 3 x 3 (strided, dilated), 1 x 1, and the residual.
class Bottleneck(Module):
  __parameters__ = []
  __buffers__ = ["conv1_weight", "conv1_bias", "conv2_weight", "conv2_bias", "conv3_weight", "conv3_bias", ]
  conv1_weight : Tensor
  conv1_bias : Tensor
  conv2_weight : Tensor
  conv2_bias : Tensor
  conv3_weight : Tensor
  conv3_bias : Tensor
  def forward(self: __torch__.Bottleneck, x: Tensor, stride: int, dilation: int) -> Tensor:
    a = torch.permute(torch.relu_(torch.linear(torch.permute(x, [0, 2, 3, 1]), self.conv1_weight, self.conv1_bias)), [0, 3, 1, 2])
    b = torch.relu_(torch.conv2d(a, self.conv2_weight, self.conv2_bias, [stride, stride], [dilation, dilation], [dilation, dilation], 1))
    c = torch.linear(torch.permute(b, [0, 2, 3, 1]), self.conv3_weight, self.conv3_bias)
    return torch.permute(torch.relu_(torch.add_(c, torch.permute(x, [0, 2, 3, 1]))), [0, 3, 1, 2])

# The first block of a stage, whose residual is projected to the new width and stride.
class FirstBottleneck(Module):
  __parameters__ = []
  __buffers__ = ["conv1_weight", "conv1_bias", "conv2_weight", "conv2_bias", "conv3_weight", "conv3_bias", "downsample_weight", "downsample_bias", ]
  conv1_weight : Tensor
  conv1_bias : Tensor
  conv2_weight : Tensor
  conv2_bias : Tensor
  conv3_weight : Tensor
  conv3_bias : Tensor
  downsample_weight : Tensor
  downsample_bias : Tensor
  def forward(self: __torch__.FirstBottleneck, x: Tensor, stride: int, dilation: int) -> Tensor:
    a = torch.permute(torch.relu_(torch.linear(torch.permute(x, [0, 2, 3, 1]), self.conv1_weight, self.conv1_bias)), [0, 3, 1, 2])
    b = torch.relu_(torch.conv2d(a, self.conv2_weight, self.conv2_bias, [stride, stride], [dilation, dilation], [dilation, dilation], 1))
    c = torch.linear(torch.permute(b, [0, 2, 3, 1]), self.conv3_weight, self.conv3_bias)
    strided = torch.slice(torch.slice(torch.permute(x, [0, 2, 3, 1]), 1, 0, None, stride), 2, 0, None, stride)
    d = torch.linear(strided, self.downsample_weight, self.downsample_bias)
    return torch.permute(torch.relu_(torch.add_(c, d)), [0, 3, 1, 2])

# Stem and four stages; the last two keep the resolution and are dilated by 2 and 4 instead.
class DeepLabV3ResNet50(Module):
  __parameters__ = []
  __buffers__ = ["conv1_weight", "conv1_bias", ]
  conv1_weight : Tensor
  conv1_bias : Tensor
  layer1_0 : __torch__.FirstBottleneck
  layer1_1 : __torch__.Bottleneck
  layer1_2 : __torch__.Bottleneck
  layer2_0 : __torch__.FirstBottleneck
  layer2_1 : __torch__.Bottleneck
  layer2_2 : __torch__.Bottleneck
  layer2_3 : __torch__.Bottleneck
  layer3_0 : __torch__.FirstBottleneck
  layer3_1 : __torch__.Bottleneck
  layer3_2 : __torch__.Bottleneck
  layer3_3 : __torch__.Bottleneck
  layer3_4 : __torch__.Bottleneck
  layer3_5 : __torch__.Bottleneck
  layer4_0 : __torch__.FirstBottleneck
  layer4_1 : __torch__.Bottleneck
  layer4_2 : __torch__.Bottleneck
  def forward(self: __torch__.DeepLabV3ResNet50, x: Tensor) -> Tensor:
    images = torch.contiguous(torch.to(x, ops.prim.dtype(self.conv1_weight)), memory_format=2)
    stem = torch.relu_(torch.conv2d(images, self.conv1_weight, self.conv1_bias, [2, 2], [3, 3], [1, 1], 1))
    x0 = torch.max_pool2d(stem, [3, 3], [2, 2], [1, 1], [1, 1], False)
    x1 = (self.layer1_0).forward(x0, 1, 1, )
    x2 = (self.layer1_1).forward(x1, 1, 1, )
    x3 = (self.layer1_2).forward(x2, 1, 1, )
    x4 = (self.layer2_0).forward(x3, 2, 1, )
    x5 = (self.layer2_1).forward(x4, 1, 1, )
    x6 = (self.layer2_2).forward(x5, 1, 1, )
    x7 = (self.layer2_3).forward(x6, 1, 1, )
    x8 = (self.layer3_0).forward(x7, 1, 1, )
    x9 = (self.layer3_1).forward(x8, 1, 2, )
    x10 = (self.layer3_2).forward(x9, 1, 2, )
    x11 = (self.layer3_3).forward(x10, 1, 2, )
    x12 = (self.layer3_4).forward(x11, 1, 2, )
    x13 = (self.layer3_5).forward(x12, 1, 2, )
    x14 = (self.layer4_0).forward(x13, 1, 2, )
    x15 = (self.layer4_1).forward(x14, 1, 4, )
    x16 = (self.layer4_2).forward(x15, 1, 4, )
    return torch.contiguous(torch.to(x16, 6), memory_format=0)
