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
  def weighted_cross_entropy(self: __torch__.Kernels, logits: Tensor, target: Tensor, weights: Tensor) -> Tensor:
    total = torch.cross_entropy_loss(logits, target, weights, 2, 255, 0.)
    labels = torch.masked_select(target, torch.ne(target, 255))
    weight = torch.sum(torch.index_select(weights, 0, labels), dtype=None)
    return torch.div(total, torch.clamp(weight, 9.9999999999999998e-13, None))
  def dice(self: __torch__.Kernels, logits: Tensor, target: Tensor) -> Tensor:
    k = torch.size(logits, 1)
    p = torch.softmax(logits, 1, None)
    counts = torch.ne(target, 255)
    labels = torch.masked_fill(target, torch.logical_not(counts), 0)
    mask = torch.to(torch.unsqueeze(counts, 1), 6)
    own = torch.mul(torch.gather(p, 1, torch.unsqueeze(labels, 1), sparse_grad=False), mask)
    zeros = torch.zeros([k], dtype=7, layout=None, device=ops.prim.device(logits), pin_memory=None)
    both = torch.to(torch.index_add(zeros, 0, torch.flatten(labels), torch.to(torch.flatten(own), 7), alpha=1), 6)
    predicted = torch.sum(torch.mul(p, mask), [0, 2, 3], False, dtype=None)
    there = torch.to(torch.bincount(torch.masked_select(target, counts), None, k), 6)
    above = torch.add(torch.mul(both, 2), 1, alpha=1)
    below = torch.add(torch.add(predicted, there, alpha=1), 1, alpha=1)
    return torch.mean(torch.rsub(torch.div(above, below), 1., 1), dtype=None)
  def focal(self: __torch__.Kernels, logits: Tensor, target: Tensor, gamma: Tensor) -> Tensor:
    each = torch.cross_entropy_loss(logits, target, None, 0, 255, 0.)
    ce = torch.masked_select(each, torch.ne(target, 255))
    missed = torch.clamp(torch.neg(torch.expm1(torch.neg(ce))), 9.9999999999999998e-13, None)
    total = torch.sum(torch.mul(torch.pow(missed, gamma), ce), dtype=None)
    counted = torch.clamp(torch.sum(torch.ne(target, 255)), 1, None)
    return torch.div(total, counted)
  def nearest(self: __torch__.Kernels, z: Tensor, codebook: Tensor) -> Tensor:
    rows = torch.size(z, 0)
    size = 64
    padded = torch.constant_pad_nd(z, [0, 0, 0, torch.remainder(torch.neg(rows), size)], 0.)
    codes = torch.t(codebook)
    norms = torch.mul(torch.sum(torch.mul(codebook, codebook), [1], False, dtype=None), -0.5)
    group = torch.mul(torch.add(torch.floordiv(1048576, torch.mul(size, torch.size(codebook, 0))), 1), size)
    indices = annotate(List[Tensor], [])
    for i in range(torch.floordiv(torch.sub(torch.add(torch.size(padded, 0), group), 1), group)):
      part = torch.slice(padded, 0, torch.mul(i, group), torch.add(torch.mul(i, group), group), 1)
      scores = torch.addmm(norms, part, codes, beta=1, alpha=1)
      _0 = torch.append(indices, torch.argmax(scores, 1, False))
    return torch.slice(torch.cat(indices, 0), 0, 0, rows, 1)
  def lookup(self: __torch__.Kernels, codebook: Tensor, indices: Tensor) -> Tensor:
    return torch.index_select(codebook, 0, indices)
  def counts(self: __torch__.Kernels, indices: Tensor, codebook: Tensor) -> Tensor:
    return torch.bincount(indices, None, torch.size(codebook, 0))
  def sums(self: __torch__.Kernels, indices: Tensor, z: Tensor, codebook: Tensor) -> Tensor:
    return torch.index_add(torch.zeros_like(codebook), 0, indices, z, alpha=1)
  def gather(self: __torch__.Kernels, x: Tensor, indices: Tensor) -> Tensor:
    return torch.index_select(x, 0, torch.clone(indices, memory_format=None))
  def scatter(self: __torch__.Kernels, rows: Tensor, indices: Tensor, like: Tensor) -> Tensor:
    zeros = torch.zeros([torch.size(like, 0), torch.size(rows, 1)], dtype=6, layout=None, device=ops.prim.device(rows), pin_memory=None)
    return torch.index_add(zeros, 0, torch.clone(indices, memory_format=None), rows, alpha=1)
  def scatter_codes(self: __torch__.Kernels, codes: Tensor, indices: Tensor, like: Tensor) -> Tensor:
    none = torch.full([torch.size(like, 0), torch.size(codes, 1)], -1, dtype=4, layout=None, device=ops.prim.device(codes), pin_memory=None)
    return torch.index_copy(none, 0, indices, codes)
  def where_true(self: __torch__.Kernels, mask: Tensor) -> Tensor:
    return torch.flatten(torch.nonzero(mask))
  def length(self: __torch__.Kernels, x: Tensor) -> Tensor:
    return torch.clamp(torch.sqrt(torch.sum(torch.mul(x, x), [1], True, dtype=None)), 9.9999999999999995e-07, None)
  def rotation(self: __torch__.Kernels, z: Tensor, q: Tensor) -> Tensor:
    a = torch.detach(z)
    b = torch.detach(q)
    long = (self).length(a, )
    short = (self).length(b, )
    u = torch.div(a, long)
    v = torch.div(b, short)
    both = torch.add(u, v, alpha=1)
    w = torch.div(both, (self).length(both, ))
    zw = torch.sum(torch.mul(z, w), [1], True, dtype=None)
    zu = torch.sum(torch.mul(z, u), [1], True, dtype=None)
    turned = torch.add(torch.sub(z, torch.mul(zw, w), alpha=2), torch.mul(zu, v), alpha=2)
    return torch.mul(turned, torch.div(short, long))
  def beam(self: __torch__.Kernels, z: Tensor, books: Tensor, width: Tensor) -> Tensor:
    rows = torch.size(z, 0)
    d = torch.size(z, 1)
    depth = torch.size(books, 0)
    k = torch.size(books, 1)
    size = 256
    padded = torch.constant_pad_nd(z, [0, 0, 0, torch.remainder(torch.neg(rows), size)], 0.)
    found = annotate(List[Tensor], [])
    for i in range(torch.floordiv(torch.size(padded, 0), size)):
      part = torch.slice(padded, 0, torch.mul(i, size), torch.add(torch.mul(i, size), size), 1)
      left = torch.unsqueeze(part, 1)
      codes = torch.zeros([size, 1, 0], dtype=4, layout=None, device=ops.prim.device(z), pin_memory=None)
      for level in range(depth):
        book = torch.select(books, 0, level)
        flat = torch.reshape(left, [-1, d])
        norms = torch.mul(torch.sum(torch.mul(book, book), [1], False, dtype=None), 0.5)
        own = torch.mul(torch.sum(torch.mul(flat, flat), [1], True, dtype=None), 0.5)
        scores = torch.addmm(norms, flat, torch.t(book), beta=1, alpha=-1)
        cost = torch.reshape(torch.add(scores, own, alpha=1), [size, -1])
        keep = int(torch.clamp(width, None, torch.size(cost, 1)))
        _0, at = torch.topk(cost, keep, 1, False, True)
        parent = torch.floor_divide(at, k)
        code = torch.remainder(at, k)
        before = torch.gather(left, 1, torch.expand(torch.unsqueeze(parent, 2), [-1, -1, d], implicit=False), sparse_grad=False)
        taken = torch.reshape(torch.index_select(book, 0, torch.flatten(code)), [size, -1, d])
        left = torch.sub(before, taken, alpha=1)
        path = torch.gather(codes, 1, torch.expand(torch.unsqueeze(parent, 2), [-1, -1, level], implicit=False), sparse_grad=False)
        codes = torch.cat([path, torch.unsqueeze(code, 2)], 2)
      _1 = torch.append(found, torch.select(codes, 1, 0))
    return torch.slice(torch.cat(found, 0), 0, 0, rows, 1)
  def gram(self: __torch__.Kernels, x: Tensor, scale: Tensor) -> Tensor:
    whole = torch.round(torch.mul(torch.to(x, 7), scale))
    return torch.to(torch.matmul(torch.t(whole), whole), 4)
  def axes(self: __torch__.Kernels, covariance: Tensor) -> Tensor:
    _0, vectors = torch.linalg_eigh(covariance)
    rows = torch.flip(torch.t(vectors), [0])
    at = torch.argmax(torch.abs(rows), 1, True)
    return torch.to(torch.mul(rows, torch.sign(torch.gather(rows, 1, at, sparse_grad=False))), 6)
  def digits(self: __torch__.Kernels, numbers: Tensor, basis: Tensor, counts: Tensor) -> Tensor:
    return torch.remainder(torch.floor_divide(torch.unsqueeze(numbers, 1), basis), counts)
  def bit_entropy(self: __torch__.Kernels, logits: Tensor) -> Tensor:
    a = torch.abs(logits)
    certain = torch.log1p(torch.exp(torch.neg(a)))
    each = torch.add(certain, torch.mul(a, torch.sigmoid(torch.neg(a))), alpha=1)
    return torch.mean(torch.sum(each, [1], False, dtype=None), dtype=None)
  def spread(self: __torch__.Kernels, logits: Tensor) -> Tensor:
    one = torch.sigmoid(logits)
    zero = torch.sigmoid(torch.neg(logits))
    table = torch.ones([torch.size(logits, 0), 1], dtype=6, layout=None, device=ops.prim.device(logits), pin_memory=None)
    for i in range(torch.size(logits, 1)):
      pair = torch.stack([torch.select(zero, 1, i), torch.select(one, 1, i)], 1)
      outer = torch.mul(torch.unsqueeze(table, 2), torch.unsqueeze(pair, 1))
      table = torch.flatten(outer, 1, 2)
    return table
  def table_entropy(self: __torch__.Kernels, logits: Tensor, least: Tensor) -> Tensor:
    p = (self).spread(logits, )
    each = torch.mul(p, torch.log(torch.clamp(p, least, None)))
    return torch.neg(torch.mean(torch.sum(each, [1], False, dtype=None), dtype=None))
  def mean_codes(self: __torch__.Kernels, logits: Tensor) -> Tensor:
    bits = torch.size(logits, 1)
    half = torch.floordiv(bits, 2)
    high = (self).spread(torch.slice(logits, 1, 0, half, 1), )
    low = (self).spread(torch.slice(logits, 1, half, bits, 1), )
    return torch.div(torch.flatten(torch.matmul(torch.t(high), low)), torch.size(logits, 0))
  def entropy(self: __torch__.Kernels, p: Tensor, least: Tensor) -> Tensor:
    return torch.neg(torch.sum(torch.mul(p, torch.log(torch.clamp(p, least, None))), dtype=None))
  def confusion(self: __torch__.Kernels, prediction: Tensor, target: Tensor, classes: Tensor) -> Tensor:
    k = int(classes)
    pairs = torch.add(torch.mul(torch.clamp(target, None, k), k), prediction, alpha=1)
    counts = torch.bincount(torch.flatten(pairs), None, torch.mul(k, torch.add(k, 1)))
    return torch.reshape(torch.slice(counts, 0, 0, torch.mul(k, k), 1), [k, k])
  def most(self: __torch__.Kernels, scores: Tensor) -> Tensor:
    best = torch.select(scores, 1, 0)
    index = torch.zeros_like(best, dtype=4)
    for k in range(torch.sub(torch.size(scores, 1), 1)):
      score = torch.select(scores, 1, torch.add(k, 1))
      index = torch.masked_fill(index, torch.gt(score, best), torch.add(k, 1))
      best = torch.maximum(best, score)
    return index
  def adam(self: __torch__.Kernels,
    parameters: List[Tensor],
    gradients: List[Tensor],
    first: List[Tensor],
    second: List[Tensor],
    steps: List[Tensor],
    lr: float,
    decay: float,
    decoupled: bool) -> int:
    _0 = annotate(List[Tensor], [])
    if decoupled:
      torch._fused_adamw_(parameters, gradients, first, second, _0, steps, lr=lr, beta1=0.90000000000000002, beta2=0.999, weight_decay=decay, eps=1.0000000000000000e-08, amsgrad=False, maximize=False, grad_scale=None, found_inf=None)
    else:
      torch._fused_adam_(parameters, gradients, first, second, _0, steps, lr=lr, beta1=0.90000000000000002, beta2=0.999, weight_decay=decay, eps=1.0000000000000000e-08, amsgrad=False, maximize=False, grad_scale=None, found_inf=None)
    return 0
  def sgd(self: __torch__.Kernels,
    parameters: List[Tensor],
    gradients: List[Tensor],
    buffers: List[Tensor],
    lr: float,
    decay: float,
    momentum: float) -> int:
    torch._fused_sgd_(parameters, gradients, buffers, weight_decay=decay, momentum=momentum, lr=lr, dampening=0., nesterov=False, maximize=False, is_first_step=False, grad_scale=None, found_inf=None)
    return 0
  def clip(self: __torch__.Kernels, gradients: List[Tensor], most: float) -> int:
    squares = annotate(List[Tensor], [])
    for i in range(torch.len(gradients)):
      flat = torch.flatten(gradients[i])
      _0 = torch.append(squares, torch.dot(flat, flat))
    norm = torch.sqrt(torch.sum(torch.stack(squares), dtype=None))
    scale = torch.clamp(torch.mul(torch.reciprocal(torch.add(norm, 9.9999999999999995e-07, 1)), most), None, 1.)
    for i in range(torch.len(gradients)):
      _1 = torch.mul_(gradients[i], scale)
    return 0
  def finite(self: __torch__.Kernels, tensors: List[Tensor]) -> int:
    all = 1
    for i in range(torch.len(tensors)):
      if bool(torch.all(torch.isfinite(tensors[i]))):
        all = all
      else:
        all = 0
    return all
