class Kernels(Module):
  __parameters__ = []
  __buffers__ = []
  def forward(self: __torch__.Kernels, x: Tensor) -> Tensor:
    return x
  def float32(self: __torch__.Kernels, x: Tensor) -> Tensor:
    return torch.to(x, 6)
  def squares(self: __torch__.Kernels, x: Tensor, stored: Tensor) -> Tensor:
    lost = torch.flatten(torch.sub(torch.to(stored, 6), x))
    all = torch.flatten(x)
    return torch.stack([torch.dot(lost, lost), torch.dot(all, all)])
  def upsample(self: __torch__.Kernels, x: Tensor, like: Tensor) -> Tensor:
    return torch.upsample_bilinear2d(x, [torch.size(like, -2), torch.size(like, -1)], False, None)
  def cross_entropy(self: __torch__.Kernels, logits: Tensor, target: Tensor) -> Tensor:
    total = torch.cross_entropy_loss(logits, target, None, 2, 255, 0.)
    counted = torch.clamp(torch.sum(torch.ne(target, 255)), 1, None)
    return torch.div(total, counted)
  def nearest(self: __torch__.Kernels, z: Tensor, codebook: Tensor, block: Tensor) -> Tensor:
    rows = torch.size(z, 0)
    size = int(block)
    padded = torch.constant_pad_nd(z, [0, 0, 0, torch.remainder(torch.neg(rows), size)], 0.)
    codes = torch.t(codebook)
    norms = torch.mul(torch.sum(torch.mul(codebook, codebook), [1], False, dtype=None), -0.5)
    indices = annotate(List[Tensor], [])
    for i in range(torch.floordiv(torch.size(padded, 0), size)):
      part = torch.slice(padded, 0, torch.mul(i, size), torch.add(torch.mul(i, size), size), 1)
      scores = torch.addmm(norms, part, codes, beta=1, alpha=1)
      _0 = torch.append(indices, torch.argmax(scores, 1, False))
    return torch.slice(torch.cat(indices, 0), 0, 0, rows, 1)
  def lookup(self: __torch__.Kernels, codebook: Tensor, indices: Tensor) -> Tensor:
    return torch.index_select(codebook, 0, indices)
  def counts(self: __torch__.Kernels, indices: Tensor, codebook: Tensor) -> Tensor:
    return torch.bincount(indices, None, torch.size(codebook, 0))
  def sums(self: __torch__.Kernels, indices: Tensor, z: Tensor, codebook: Tensor) -> Tensor:
    return torch.index_add(torch.zeros_like(codebook), 0, indices, z, alpha=1)
  def confusion(self: __torch__.Kernels, prediction: Tensor, target: Tensor, classes: Tensor) -> Tensor:
    k = int(classes)
    valid = torch.ne(target, 255)
    pairs = torch.add(torch.mul(torch.masked_select(target, valid), k), torch.masked_select(prediction, valid), alpha=1)
    return torch.reshape(torch.bincount(pairs, None, torch.mul(k, k)), [k, k])
  def adamw(self: __torch__.Kernels,
    parameters: List[Tensor],
    gradients: List[Tensor],
    first: List[Tensor],
    second: List[Tensor],
    steps: List[Tensor],
    lr: float,
    decay: float) -> int:
    _0 = annotate(List[Tensor], [])
    torch._fused_adamw_(parameters, gradients, first, second, _0, steps, lr=lr, beta1=0.90000000000000002, beta2=0.999, weight_decay=decay, eps=1.0000000000000000e-08, amsgrad=False, maximize=False, grad_scale=None, found_inf=None)
    return 0
