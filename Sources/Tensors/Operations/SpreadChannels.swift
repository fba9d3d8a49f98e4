// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels

/// A value for each place of the channels, at all positions.
struct SpreadChannels: TapeOperation {
  let x: Tensor
  let shape: FeatureShape

  func backward(_ g: OutputGradient, on tape: Tape) {
    tape.contribute(to: x) { tape.channelSums(g.tensor, shape) }
  }

  func tangent(_ d: (Tensor) -> Tensor?, _ output: Tensor, on tape: Tape) -> Tensor? {
    d(x).map { tape.spreadChannels($0, shape) }
  }
}

extension Tape {
  /// Values of channels at all positions: rows × places of channels to rows × `shape.count`.
  public func spreadChannels(_ x: Tensor, _ shape: FeatureShape) -> Tensor {
    let out = result(x.rows, shape.count)
    ck_spread_channels(out.values, x.values, x.rows, shape.channels.blocks, shape.positions)
    return record(.spreadChannels(SpreadChannels(x: x, shape: shape)), out)
  }
}
