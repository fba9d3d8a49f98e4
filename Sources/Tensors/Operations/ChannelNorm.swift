// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels

/// scale ⊙ (x − mean)/√(variance + ε) + offset over the channels of each position, fused; a composing tape writes it in
/// other operations.
struct ChannelNorm: TapeOperation {
  let x, scale, offset: Tensor
  let shape: FeatureShape
  let epsilon: Float
  /// Mean and 1/√(variance + ε) of each position of each row.
  let statistics: Tensor

  func withC<Result>(_ body: (UnsafePointer<ck_channel_norm>) -> Result) -> Result {
    var c = ck_channel_norm(
      blocks: shape.channels.blocks, channels: shape.channels.count, positions: shape.positions, epsilon: epsilon,
      scale: scale.values, offset: offset.values)
    return withUnsafePointer(to: &c, body)
  }

  func backward(_ g: OutputGradient, on tape: Tape) {
    precondition(!tape.recording, "a tape that is to differentiate twice begins as a composing one")
    let dx =
      g.isOwned
      ? Tensor(values: g.tensor.values, rows: x.rows, columns: x.columns) : tape.result(x.rows, x.columns)
    let (dscale, doffset) = (tape.result(1, scale.columns), tape.result(1, offset.columns))
    withC {
      ck_channel_norm_backward(
        $0, x.rows, x.values, g.tensor.values, statistics.values, dx.values, dscale.values, doffset.values)
    }
    tape.contributeOwned(dscale, to: scale)
    tape.contributeOwned(doffset, to: offset)
    if x.isConstant { return }
    tape.pass(g, on: Tape.Adjoint(tensor: dx, owned: true), to: x)
  }

  func tangent(_ d: (Tensor) -> Tensor?, _ output: Tensor, on tape: Tape) -> Tensor? {
    preconditionFailure("a tape that is to differentiate forwards begins as a composing one")
  }
}

extension Tape {
  /// Layer normalisation of features: scale ⊙ (x − mean)/√(variance + ε) + offset, mean and variance over the channels
  /// of each position (Ba et al. 2016).
  /// - Parameters:
  ///   - x: rows × `shape.count`, blocked.
  ///   - shape: of x, whose channels are one run.
  ///   - scale: 1 × places of channels.
  ///   - offset: 1 × places of channels.
  ///   - epsilon: added to variances.
  public func channelNorm(_ x: Tensor, _ shape: FeatureShape, scale: Tensor, offset: Tensor, epsilon: Float) -> Tensor {
    let places = shape.channels.padded
    precondition(
      x.columns == shape.count && shape.channels.runs.count == 1 && scale.rows == 1 && scale.columns == places
        && offset.rows == 1 && offset.columns == places, "features of another shape")
    if recording && composing { return composedChannelNorm(x, shape, scale: scale, offset: offset, epsilon: epsilon) }
    let norm = ChannelNorm(
      x: x, scale: scale, offset: offset, shape: shape, epsilon: epsilon,
      statistics: constant(rows: x.rows, columns: 2 * shape.positions))
    let out = result(x.rows, x.columns)
    norm.withC { ck_channel_norm_forward($0, x.rows, x.values, out.values, norm.statistics.values) }
    if !recording { arena.recycle(norm.statistics.values, norm.statistics.count) }
    return record(.channelNorm(norm), out)
  }

  /// The same by layer normalisation of rows of positions × channels.
  private func composedChannelNorm(
    _ x: Tensor, _ shape: FeatureShape, scale: Tensor, offset: Tensor, epsilon: Float
  ) -> Tensor {
    let count = shape.channels.count
    let tokens = reshape(unblocked(x, shape), rows: x.rows * shape.positions)
    let normed = layerNorm(
      tokens, scale: columns(scale, first: 0, count: count), shift: columns(offset, first: 0, count: count),
      epsilon: Double(epsilon))
    return blocked(reshape(normed, rows: x.rows), shape)
  }
}
