# torchvision's vit_b_32 without its classifier, in serialised TorchScript: [B, 3, 224, 224] ->
# [B, 768, 7, 7]. The weights' names are those of torchvision, with _ for a dot. Comments and blank
# lines are left out when the program is written.

# An encoder layer: norm, attention of 12 heads, norm, MLP, both with a residual: [B, 50, 768] ->
# [B, 50, 768].
class Layer(Module):
  __parameters__ = []
  __buffers__ = ["ln_1_weight", "ln_1_bias", "in_proj_weight", "in_proj_bias", "out_proj_weight", "out_proj_bias", "ln_2_weight", "ln_2_bias", "mlp_0_weight", "mlp_0_bias", "mlp_3_weight", "mlp_3_bias", ]
  ln_1_weight : Tensor
  ln_1_bias : Tensor
  in_proj_weight : Tensor
  in_proj_bias : Tensor
  out_proj_weight : Tensor
  out_proj_bias : Tensor
  ln_2_weight : Tensor
  ln_2_bias : Tensor
  mlp_0_weight : Tensor
  mlp_0_bias : Tensor
  mlp_3_weight : Tensor
  mlp_3_bias : Tensor
  def forward(self: __torch__.Layer, x: Tensor) -> Tensor:
    batch = torch.size(x, 0)
    tokens = torch.size(x, 1)
    normed = torch.layer_norm(x, [768], self.ln_1_weight, self.ln_1_bias, 9.9999999999999995e-07, True)
    qkv = torch.linear(normed, self.in_proj_weight, self.in_proj_bias)
    # [3, B, 12, 50, 64]: queries, keys, values
    heads = torch.permute(torch.reshape(qkv, [batch, tokens, 3, 12, 64]), [2, 0, 3, 1, 4])
    attended = torch.scaled_dot_product_attention(torch.select(heads, 0, 0), torch.select(heads, 0, 1), torch.select(heads, 0, 2))
    joined = torch.reshape(torch.transpose(attended, 1, 2), [batch, tokens, 768])
    y = torch.add(x, torch.linear(joined, self.out_proj_weight, self.out_proj_bias))
    inner = torch.layer_norm(y, [768], self.ln_2_weight, self.ln_2_bias, 9.9999999999999995e-07, True)
    hidden = torch.gelu(torch.linear(inner, self.mlp_0_weight, self.mlp_0_bias))
    return torch.add(y, torch.linear(hidden, self.mlp_3_weight, self.mlp_3_bias))

# Patches of 32 x 32 pixels and a class token, twelve layers, the grid of the patch tokens.
class VitB32(Module):
  __parameters__ = []
  __buffers__ = ["class_token", "conv_proj_weight", "conv_proj_bias", "pos_embedding", "ln_weight", "ln_bias", ]
  class_token : Tensor
  conv_proj_weight : Tensor
  conv_proj_bias : Tensor
  pos_embedding : Tensor
  layer_0 : __torch__.Layer
  layer_1 : __torch__.Layer
  layer_2 : __torch__.Layer
  layer_3 : __torch__.Layer
  layer_4 : __torch__.Layer
  layer_5 : __torch__.Layer
  layer_6 : __torch__.Layer
  layer_7 : __torch__.Layer
  layer_8 : __torch__.Layer
  layer_9 : __torch__.Layer
  layer_10 : __torch__.Layer
  layer_11 : __torch__.Layer
  ln_weight : Tensor
  ln_bias : Tensor
  def forward(self: __torch__.VitB32, x: Tensor) -> Tensor:
    batch = torch.size(x, 0)
    images = torch.to(x, ops.prim.dtype(self.conv_proj_weight))
    patches = torch.conv2d(images, self.conv_proj_weight, self.conv_proj_bias, [32, 32], [0, 0], [1, 1], 1)
    tokens = torch.transpose(torch.flatten(patches, 2, -1), 1, 2)
    first = torch.expand(self.class_token, [batch, -1, -1])
    t = torch.add(torch.cat([first, tokens], 1), self.pos_embedding)
    t0 = (self.layer_0).forward(t, )
    t1 = (self.layer_1).forward(t0, )
    t2 = (self.layer_2).forward(t1, )
    t3 = (self.layer_3).forward(t2, )
    t4 = (self.layer_4).forward(t3, )
    t5 = (self.layer_5).forward(t4, )
    t6 = (self.layer_6).forward(t5, )
    t7 = (self.layer_7).forward(t6, )
    t8 = (self.layer_8).forward(t7, )
    t9 = (self.layer_9).forward(t8, )
    t10 = (self.layer_10).forward(t9, )
    t11 = (self.layer_11).forward(t10, )
    normed = torch.layer_norm(t11, [768], self.ln_weight, self.ln_bias, 9.9999999999999995e-07, True)
    # Token 0 is the class token; the other 49 are the grid, row by row.
    grid = torch.transpose(torch.slice(normed, 1, 1, 50, 1), 1, 2)
    return torch.reshape(torch.contiguous(torch.to(grid, 6)), [batch, 768, 7, 7])
