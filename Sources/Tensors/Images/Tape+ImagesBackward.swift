// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels

extension Tape {
  /// The backward rules of image operations.
  func propagateImages(_ node: Node, _ adjoint: Adjoint, _ index: Int) {
    let g = adjoint.tensor
    switch node.operation {
    case .blocked(let x, let shape):
      contribute(to: x) { unblocked(g, shape) }
    case .unblocked(let x, let shape):
      contribute(to: x) { blocked(g, shape) }
    case .convolution(let x, let w, let bias, let shape):
      contribute(to: x) { convolutionAdjoint(g, w, shape) }
      propagateWeights(x, w, bias, g, shape)
    case .convolutionAdjoint(let y, let w, let shape):
      contribute(to: y) { convolution(g, w, bias: nil, shape) }
      contribute(to: w) { convolutionWeights(g, y, shape) }
    case .convolutionWeights(let x, let y, let shape):
      contribute(to: x) { convolutionAdjoint(y, g, shape) }
      contribute(to: y) { convolution(x, g, bias: nil, shape) }
    case .groupNorm(let x, let norm):
      propagateGroupNorm(x, norm, adjoint, index)
    case .attention(let x, let shape, let weights):
      precondition(!recording, "a tape that is to differentiate twice begins as a composing one")
      contribute(to: x) { attentionAdjoint(g, x, shape, weights: weights) }
    case .repeatPixels(let x, let shape, let factor):
      contribute(to: x) { sumPixels(g, shape, factor: factor) }
    case .sumPixels(let x, let shape, let factor):
      contribute(to: x) { repeatPixels(g, shape, factor: factor) }
    case .channelSums(let x, let shape):
      contribute(to: x) { spreadChannels(g, shape) }
    case .spreadChannels(let x, let shape):
      contribute(to: x) { channelSums(g, shape) }
    case .pixelsMatrix(let x, let columns):
      contribute(to: x) { matrixPixels(g, columns) }
    case .matrixPixels(let x, let columns):
      contribute(to: x) { pixelsMatrix(g, columns) }
    case .batchedProduct(let a, let b, let transposeA, let transposeB, let shape):
      propagateBatched(a, b, transposeA, transposeB, shape, g)
    case .softmax(let x, let scale):
      let y = node.output
      contribute(to: x) {
        let share = product(g, y)
        return self.scale(
          sum(1, share, -1, product(repeatColumn(rowSums(share), columns: y.columns), y)), by: scale)
      }
    case .power(let x, let p):
      contribute(to: x) { scale(product(g, power(x, p - 1)), by: p) }
    case .reshape(let x):
      contribute(to: x) { scale(reshape(g, rows: x.rows), by: 1) }
    case .gatherRows(let table, let indices):
      contribute(to: table) { scatterRows(g, indices, rows: table.rows) }
    case .scatterRows(let x, let indices):
      contribute(to: x) { gatherRows(g, indices) }
    default:
      preconditionFailure("an operation without a backward rule")
    }
  }

  private func propagateWeights(_ x: Tensor, _ w: Tensor, _ bias: Tensor?, _ g: Tensor, _ shape: ConvolutionShape) {
    if !recording, !w.isConstant, let slot = parameterSlot(of: w) {
      // A bias's gradient comes along, unless only one of the two was there before or the bias is no parameter.
      let biasSlot = bias.flatMap { !$0.isConstant && isUsed($0) == slot.used ? parameterSlot(of: $0) : nil }
      var c = shape.c
      ck_convolve_back_weights(
        workspace, &c, Int32(x.rows), x.values, g.values, slot.tensor.values, biasSlot?.tensor.values,
        slot.used ? 1 : 0)
      if biasSlot != nil { return }
    } else {
      contribute(to: w) { convolutionWeights(x, g, shape) }
    }
    if let bias, !bias.isConstant { contribute(to: bias) { columnSums(channelSums(g, shape.output)) } }
  }

  private func propagateGroupNorm(_ x: Tensor, _ norm: GroupNormalisation, _ adjoint: Adjoint, _ index: Int) {
    precondition(!recording, "a tape that is to differentiate twice begins as a composing one")
    let g = adjoint.tensor
    let places = norm.groups.channels.padded
    let dx = adjoint.owned ? Tensor(values: g.values, rows: x.rows, columns: x.columns) : result(x.rows, x.columns)
    let shift = norm.shift.flatMap { $0.isConstant ? nil : $0 }
    let dshift = shift.map { _ in result(x.rows, places) }
    let (dscale, doffset) = (result(x.rows, places), result(x.rows, places))
    let scratch = result(10, places)
    norm.withC {
      ck_group_norm_backward(
        $0, x.rows, x.values, g.values, norm.statistics.values, dx.values, dshift?.values, dscale.values,
        doffset.values, scratch.values)
    }
    arena.recycle(scratch.values, scratch.count)
    contributeRows(dscale, to: norm.scale)
    contributeRows(doffset, to: norm.offset)
    if let shift, let dshift { contributeRows(dshift, to: shift) }
    if x.isConstant { return }
    if adjoint.owned { adjoints[index]?.owned = false }
    accumulate(Adjoint(tensor: dx, owned: true), to: x)
  }

  /// A row per image, to a tensor of as many rows or to one row that serves all images.
  private func contributeRows(_ rows: Tensor, to input: Tensor) {
    if input.isConstant { return }
    if input.rows == 1 && rows.rows > 1 {
      contributeColumnSums(rows, to: input)
    } else {
      accumulate(Adjoint(tensor: rows, owned: true), to: input)
    }
  }

  private func propagateBatched(
    _ a: Tensor, _ b: Tensor, _ transposeA: Bool, _ transposeB: Bool, _ s: BatchedShape, _ g: Tensor
  ) {
    // As for a single matrix product.
    contribute(to: a) {
      transposeA
        ? batchedProduct(
          b, g, transposeA: transposeB, transposeB: true, BatchedShape(rows: s.inner, inner: s.columns, columns: s.rows)
        )
        : batchedProduct(g, b, transposeB: !transposeB, BatchedShape(rows: s.rows, inner: s.columns, columns: s.inner))
    }
    contribute(to: b) {
      transposeB
        ? batchedProduct(
          g, a, transposeA: true, transposeB: transposeA, BatchedShape(rows: s.columns, inner: s.rows, columns: s.inner)
        )
        : batchedProduct(a, g, transposeA: !transposeA, BatchedShape(rows: s.inner, inner: s.rows, columns: s.columns))
    }
  }
}
