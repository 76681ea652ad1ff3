# The operations of ATen that DJL does not expose, as one TorchScript module; NativeKernels calls its
# methods by name. This is serialised TorchScript, not Python: every operation is a call of ATen with
# all of its arguments, and numbers stand for types (4 int64, 6 float32, 7 float64). Comments and
# blank lines are left out when the module is written.
class Kernels(Module):
  __parameters__ = []
  __buffers__ = []

  # A module must have it; nobody calls it.
  def forward(self: __torch__.Kernels, x: Tensor) -> Tensor:
    return x

  # Any floating type to float32 (6 is torch.float32 in serialised TorchScript).
  def float32(self: __torch__.Kernels, x: Tensor) -> Tensor:
    return torch.to(x, 6)

  # Squared error of what was stored, and squared norm: x, stored [...] -> [2].
  def squares(self: __torch__.Kernels, x: Tensor, stored: Tensor) -> Tensor:
    lost = torch.flatten(torch.sub(torch.to(stored, 6), x))
    all = torch.flatten(x)
    return torch.stack([torch.dot(lost, lost), torch.dot(all, all)])

  # Weights of a linear interpolation of `size` values at `count` places, corners not aligned:
  # place i lies at (i + 0.5) size / count - 0.5, not below 0 -> [count, size].
  def interpolation(self: __torch__.Kernels, count: int, size: int, like: Tensor) -> Tensor:
    i = torch.arange(count, dtype=6, layout=None, device=ops.prim.device(like), pin_memory=None)
    place = torch.clamp(torch.sub(torch.mul(torch.add(i, 0.5, 1), torch.div(float(size), float(count))), 0.5, 1), 0, None)
    low = torch.floor(place)
    high = torch.clamp(torch.add(low, 1, 1), None, torch.sub(size, 1))
    share = torch.unsqueeze(torch.sub(place, low, alpha=1), 1)
    weights = torch.zeros([count, size], dtype=6, layout=None, device=ops.prim.device(like), pin_memory=None)
    _0 = torch.scatter_add_(weights, 1, torch.to(torch.unsqueeze(low, 1), 4), torch.rsub(share, 1, 1))
    return torch.scatter_add_(weights, 1, torch.to(torch.unsqueeze(high, 1), 4), share)

  # Bilinear, corners not aligned: [B, C, h, w] -> [B, C, H, W], H and W those of like. Two matrix
  # products, several times faster than upsample_bilinear2d and its gradient on one thread.
  def upsample(self: __torch__.Kernels, x: Tensor, like: Tensor) -> Tensor:
    rows = (self).interpolation(torch.size(like, -2), torch.size(x, 2), x, )
    columns = (self).interpolation(torch.size(like, -1), torch.size(x, 3), x, )
    return torch.matmul(torch.matmul(rows, x), torch.t(columns))

  # Mean over the pixels whose label is not 255: logits [B, K, H, W], target [B, H, W] -> scalar.
  # 2 sums over the pixels, so that no pixel at all gives 0 and not a division by zero.
  def cross_entropy(self: __torch__.Kernels, logits: Tensor, target: Tensor) -> Tensor:
    total = torch.cross_entropy_loss(logits, target, None, 2, 255, 0.)
    counted = torch.clamp(torch.sum(torch.ne(target, 255)), 1, None)
    return torch.div(total, counted)

  # The same with a weight for each class [K], divided by the sum of the pixels' weights.
  def weighted_cross_entropy(self: __torch__.Kernels, logits: Tensor, target: Tensor, weights: Tensor) -> Tensor:
    total = torch.cross_entropy_loss(logits, target, weights, 2, 255, 0.)
    labels = torch.masked_select(target, torch.ne(target, 255))
    weight = torch.sum(torch.index_select(weights, 0, labels), dtype=None)
    return torch.div(total, torch.clamp(weight, 9.9999999999999998e-13, None))

  # One minus the Dice coefficient of each class, smoothed by 1, and their mean:
  # logits [B, K, H, W], target [B, H, W] -> scalar. The sums of p where the label is k are an
  # index_add in float64 (7): no one-hot tensor of [B, K, H, W] is made.
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

  # Focal loss (arXiv 1708.02002, eq. 4). With ce = -log p, 1 - p is -expm1(-ce), exact for small ce.
  def focal(self: __torch__.Kernels, logits: Tensor, target: Tensor, gamma: Tensor) -> Tensor:
    each = torch.cross_entropy_loss(logits, target, None, 0, 255, 0.)
    ce = torch.masked_select(each, torch.ne(target, 255))
    missed = torch.clamp(torch.neg(torch.expm1(torch.neg(ce))), 9.9999999999999998e-13, None)
    total = torch.sum(torch.mul(torch.pow(missed, gamma), ce), dtype=None)
    counted = torch.clamp(torch.sum(torch.ne(target, 255)), 1, None)
    return torch.div(total, counted)

  # Index of the nearest codeword: z [N, d], codebook [K, d] -> [N].
  # argmin |z - c|^2 = argmax (z c - |c|^2 / 2), so that one matrix product does it. max finds the same
  # index as argmax in half the time. The rows are filled up to multiples of 64, because the last bit
  # of a row depends on the shape of its matrix. A group of rows holds about a million scores.
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
      _0, best, = torch.max(scores, 1, False)
      _1 = torch.append(indices, best)
    return torch.slice(torch.cat(indices, 0), 0, 0, rows, 1)

  # norms - 2 z c: z [N, d], codebook [K, d], norms [K] -> [N, K].
  def scores(self: __torch__.Kernels, z: Tensor, codebook: Tensor, norms: Tensor) -> Tensor:
    return torch.addmm(norms, z, torch.t(codebook), beta=1, alpha=-2)

  # Orthogonal Procrustes problem: the rotation U V' of products = U S V'.
  def procrustes(self: __torch__.Kernels, products: Tensor) -> Tensor:
    u, s, v = torch.linalg_svd(products, False)
    return torch.matmul(u, v)

  # codebook [K, d], indices [N] -> [N, d].
  def lookup(self: __torch__.Kernels, codebook: Tensor, indices: Tensor) -> Tensor:
    return torch.index_select(codebook, 0, indices)

  # How often each index occurs: [N] -> [K].
  def counts(self: __torch__.Kernels, indices: Tensor, codebook: Tensor) -> Tensor:
    return torch.bincount(indices, None, torch.size(codebook, 0))

  # Sum of the vectors of each index: indices [N], z [N, d] -> [K, d].
  def sums(self: __torch__.Kernels, indices: Tensor, z: Tensor, codebook: Tensor) -> Tensor:
    return torch.index_add(torch.zeros_like(codebook), 0, indices, z, alpha=1)

  # Rows of x [N, C] at the indices [n] -> [n, C]. The copy of the indices belongs to the graph:
  # DJL may free the array that was given before the gradient is computed.
  def gather(self: __torch__.Kernels, x: Tensor, indices: Tensor) -> Tensor:
    return torch.index_select(x, 0, torch.clone(indices, memory_format=None))

  # The opposite of gather: rows [n, C] into zeros [N, C], N the length of like.
  def scatter(self: __torch__.Kernels, rows: Tensor, indices: Tensor, like: Tensor) -> Tensor:
    zeros = torch.zeros([torch.size(like, 0), torch.size(rows, 1)], dtype=6, layout=None, device=ops.prim.device(rows), pin_memory=None)
    return torch.index_add(zeros, 0, torch.clone(indices, memory_format=None), rows, alpha=1)

  # The same for codes [n, L], into rows of -1.
  def scatter_codes(self: __torch__.Kernels, codes: Tensor, indices: Tensor, like: Tensor) -> Tensor:
    none = torch.full([torch.size(like, 0), torch.size(codes, 1)], -1, dtype=4, layout=None, device=ops.prim.device(codes), pin_memory=None)
    return torch.index_copy(none, 0, indices, codes)

  # Indices of what is true: bool [N] -> [n].
  def where_true(self: __torch__.Kernels, mask: Tensor) -> Tensor:
    return torch.flatten(torch.nonzero(mask))

  # Euclidean length of each row, at least 1e-6: [N, d] -> [N, 1].
  def length(self: __torch__.Kernels, x: Tensor) -> Tensor:
    return torch.clamp(torch.sqrt(torch.sum(torch.mul(x, x), [1], True, dtype=None)), 9.9999999999999995e-07, None)

  # Rotation trick (arXiv 2410.06424): the value of q, and the gradient of z turned and scaled like
  # the step from z to q. A Householder reflection does it: z - 2 (z w) w + 2 (z u) v, where u and v
  # are the directions of z and q and w the direction of u + v; u, v, w count as constants.
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

  # Codes of residual quantization by beam search: z [N, d], books [L, K, d] -> [N, L].
  # At each level every kept prefix is continued by all K codewords, and the `width` continuations
  # that leave least are kept. Groups of 256 rows, filled up with zeros, as in nearest.
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

  # Exact sums of products of columns: x [N, d] times scale is rounded to whole numbers in float64
  # (7), whose products and sums are exact below 2^53 -> int64 (4) [d, d].
  def gram(self: __torch__.Kernels, x: Tensor, scale: Tensor) -> Tensor:
    whole = torch.round(torch.mul(torch.to(x, 7), scale))
    return torch.to(torch.matmul(torch.t(whole), whole), 4)

  # Principal axes of a covariance [d, d], the widest first, an axis a row. The sign of an axis is
  # free; the largest component is made positive, so that the result is one.
  def axes(self: __torch__.Kernels, covariance: Tensor) -> Tensor:
    _0, vectors = torch.linalg_eigh(covariance)
    rows = torch.flip(torch.t(vectors), [0])
    at = torch.argmax(torch.abs(rows), 1, True)
    return torch.to(torch.mul(rows, torch.sign(torch.gather(rows, 1, at, sparse_grad=False))), 6)

  # Digits of numbers in a mixed base: [N], basis [d], counts [d] -> [N, d].
  def digits(self: __torch__.Kernels, numbers: Tensor, basis: Tensor, counts: Tensor) -> Tensor:
    return torch.remainder(torch.floor_divide(torch.unsqueeze(numbers, 1), basis), counts)

  # Mean entropy in nats of d independent bits, from their logits [N, d]:
  # log(1 + e^-|l|) + |l| sigmoid(-|l|) for each bit.
  def bit_entropy(self: __torch__.Kernels, logits: Tensor) -> Tensor:
    a = torch.abs(logits)
    certain = torch.log1p(torch.exp(torch.neg(a)))
    each = torch.add(certain, torch.mul(a, torch.sigmoid(torch.neg(a))), alpha=1)
    return torch.mean(torch.sum(each, [1], False, dtype=None), dtype=None)

  # Probability of each of the 2^d codes of d independent bits: logits [N, d] -> [N, 2^d].
  def spread(self: __torch__.Kernels, logits: Tensor) -> Tensor:
    one = torch.sigmoid(logits)
    zero = torch.sigmoid(torch.neg(logits))
    table = torch.ones([torch.size(logits, 0), 1], dtype=6, layout=None, device=ops.prim.device(logits), pin_memory=None)
    for i in range(torch.size(logits, 1)):
      pair = torch.stack([torch.select(zero, 1, i), torch.select(one, 1, i)], 1)
      outer = torch.mul(torch.unsqueeze(table, 2), torch.unsqueeze(pair, 1))
      table = torch.flatten(outer, 1, 2)
    return table

  # Mean entropy in nats over that table, with probabilities of at least `least` in the logarithm.
  def table_entropy(self: __torch__.Kernels, logits: Tensor, least: Tensor) -> Tensor:
    p = (self).spread(logits, )
    each = torch.mul(p, torch.log(torch.clamp(p, least, None)))
    return torch.neg(torch.mean(torch.sum(each, [1], False, dtype=None), dtype=None))

  # Mean over the rows of that table: [N, d] -> [2^d]. The table is an outer product of the tables
  # of its high and its low bits, so a matrix product averages it without making it.
  def mean_codes(self: __torch__.Kernels, logits: Tensor) -> Tensor:
    bits = torch.size(logits, 1)
    half = torch.floordiv(bits, 2)
    high = (self).spread(torch.slice(logits, 1, 0, half, 1), )
    low = (self).spread(torch.slice(logits, 1, half, bits, 1), )
    return torch.div(torch.flatten(torch.matmul(torch.t(high), low)), torch.size(logits, 0))

  # Entropy in nats of probabilities [K] -> scalar.
  def entropy(self: __torch__.Kernels, p: Tensor, least: Tensor) -> Tensor:
    return torch.neg(torch.sum(torch.mul(p, torch.log(torch.clamp(p, least, None))), dtype=None))

  # Pixels counted by (target, prediction): [...] -> [K, K]. Targets above K - 1 (255) are counted
  # in a row of their own, which is cut off.
  def confusion(self: __torch__.Kernels, prediction: Tensor, target: Tensor, classes: Tensor) -> Tensor:
    k = int(classes)
    pairs = torch.add(torch.mul(torch.clamp(target, None, k), k), prediction, alpha=1)
    counts = torch.bincount(torch.flatten(pairs), None, torch.mul(k, torch.add(k, 1)))
    return torch.reshape(torch.slice(counts, 0, 0, torch.mul(k, k), 1), [k, k])

  # The class with the highest score, the first of equal ones: [B, K, H, W] -> [B, H, W]. Plane by
  # plane, which is several times faster than argmax over a strided axis.
  def most(self: __torch__.Kernels, scores: Tensor) -> Tensor:
    best = torch.select(scores, 1, 0)
    index = torch.zeros_like(best, dtype=4)
    for k in range(torch.sub(torch.size(scores, 1), 1)):
      score = torch.select(scores, 1, torch.add(k, 1))
      index = torch.masked_fill(index, torch.gt(score, best), torch.add(k, 1))
      best = torch.maximum(best, score)
    return index

  # One of several pieces of each tensor, flat; they begin at multiples of 16 numbers.
  def cut(self: __torch__.Kernels, tensors: List[Tensor], piece: int, pieces: int) -> List[Tensor]:
    parts = annotate(List[Tensor], [])
    for i in range(torch.len(tensors)):
      flat = torch.reshape(tensors[i], [-1])
      size = torch.mul(torch.add(torch.floordiv(torch.size(flat, 0), torch.mul(pieces, 16)), 1), 16)
      _0 = torch.append(parts, torch.slice(flat, 0, torch.mul(piece, size), torch.mul(torch.add(piece, 1), size), 1))
    return parts

  # A step of AdamW (decoupled) or Adam, in place, of one piece of the tensors.
  def adam(self: __torch__.Kernels,
    parameters: List[Tensor],
    gradients: List[Tensor],
    first: List[Tensor],
    second: List[Tensor],
    steps: List[Tensor],
    lr: float,
    decay: float,
    decoupled: bool,
    piece: int,
    pieces: int) -> int:
    _0 = annotate(List[Tensor], [])
    p = (self).cut(parameters, piece, pieces, )
    g = (self).cut(gradients, piece, pieces, )
    m = (self).cut(first, piece, pieces, )
    v = (self).cut(second, piece, pieces, )
    if decoupled:
      torch._fused_adamw_(p, g, m, v, _0, steps, lr=lr, beta1=0.90000000000000002, beta2=0.999, weight_decay=decay, eps=1.0000000000000000e-08, amsgrad=False, maximize=False, grad_scale=None, found_inf=None)
    else:
      torch._fused_adam_(p, g, m, v, _0, steps, lr=lr, beta1=0.90000000000000002, beta2=0.999, weight_decay=decay, eps=1.0000000000000000e-08, amsgrad=False, maximize=False, grad_scale=None, found_inf=None)
    return 0

  # A step of stochastic gradient descent, in place.
  def sgd(self: __torch__.Kernels,
    parameters: List[Tensor],
    gradients: List[Tensor],
    buffers: List[Tensor],
    lr: float,
    decay: float,
    momentum: float) -> int:
    torch._fused_sgd_(parameters, gradients, buffers, weight_decay=decay, momentum=momentum, lr=lr, dampening=0., nesterov=False, maximize=False, is_first_step=False, grad_scale=None, found_inf=None)
    return 0

  # Scales all gradients in place so that their joint norm is at most `most`.
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

  # 1 where every number of every tensor is finite, else 0.
  def finite(self: __torch__.Kernels, tensors: List[Tensor]) -> int:
    all = 1
    for i in range(torch.len(tensors)):
      if bool(torch.all(torch.isfinite(tensors[i]))):
        all = all
      else:
        all = 0
    return all

  # A region of every grid (rows from, to; columns from, to), a channel a row:
  # [B, C, h, w] -> [C, B * positions].
  def part(self: __torch__.Kernels, x: Tensor, region: List[int]) -> Tensor:
    cropped = torch.slice(torch.slice(x, 2, region[0], region[1], 1), 3, region[2], region[3], 1)
    return torch.reshape(torch.permute(cropped, [1, 0, 2, 3]), [torch.size(x, 1), -1])

  # x [A, B, h, w] into y [B, A, h, w].
  def swap(self: __torch__.Kernels, x: Tensor, y: Tensor) -> int:
    _0 = torch.copy_(y, torch.transpose(x, 0, 1), False)
    return 0

  # The sum over the taps of a convolution into out [n, B, h, w]. A tap multiplies its matrix of
  # weights [taps, n, m] by its inputs [m, B * positions]. taps holds five numbers for each: its place
  # in the kernel, and the region of out that it reaches.
  def add_taps(self: __torch__.Kernels, inputs: List[Tensor], weights: Tensor, out: Tensor, taps: List[int]) -> int:
    _0 = torch.zero_(out)
    for i in range(torch.len(inputs)):
      at = torch.mul(i, 5)
      tall = torch.slice(out, 2, taps[torch.add(at, 1)], taps[torch.add(at, 2)], 1)
      target = torch.slice(tall, 3, taps[torch.add(at, 3)], taps[torch.add(at, 4)], 1)
      product = torch.mm(torch.select(weights, 0, taps[at]), inputs[i])
      _1 = torch.add_(target, torch.view(product, torch.size(target)), alpha=1)
    return 0

  # A block of outputs of a convolution, y [O, B, h, w]: inputs [C, n] of each tap.
  def convolve(self: __torch__.Kernels, inputs: List[Tensor], w: Tensor, y: Tensor, taps: List[int], first: int, last: int) -> int:
    weights = torch.contiguous(torch.permute(torch.flatten(torch.slice(w, 0, first, last, 1), 2), [2, 0, 1]))
    return (self).add_taps(inputs, weights, torch.slice(y, 0, first, last, 1), taps, )

  # The gradient of a block of outputs' weights: gradients [O, n] and inputs [C, n] of each tap.
  def convolve_weight(self: __torch__.Kernels, gradients: List[Tensor], moved: List[Tensor], dw: Tensor, taps: List[int], first: int, last: int) -> int:
    target = torch.flatten(torch.slice(dw, 0, first, last, 1), 2)
    buffer = torch.zeros([torch.size(target, 2), torch.size(target, 0), torch.size(target, 1)], dtype=6, layout=None, device=None, pin_memory=None)
    for i in range(torch.len(moved)):
      product = torch.mm(torch.slice(gradients[i], 0, first, last, 1), torch.t(moved[i]))
      _0 = torch.copy_(torch.select(buffer, 0, taps[torch.mul(i, 5)]), product, False)
    _1 = torch.copy_(target, torch.permute(buffer, [1, 2, 0]), False)
    return 0

  # The gradient of a block of input channels, dx [C, B, h, w]: gradients [O, n] of each tap.
  def convolve_input(self: __torch__.Kernels, gradients: List[Tensor], w: Tensor, dx: Tensor, taps: List[int], first: int, last: int) -> int:
    weights = torch.contiguous(torch.permute(torch.flatten(torch.slice(w, 1, first, last, 1), 2), [2, 1, 0]))
    return (self).add_taps(gradients, weights, torch.slice(dx, 0, first, last, 1), taps, )
