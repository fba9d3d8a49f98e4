// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels

/// Σ over positions, a value for each place of the channels.
struct ChannelSums: TapeOperation {
  let x: Tensor
  let shape: FeatureShape

  func backward(_ g: OutputGradient, on tape: Tape) {
    tape.contribute(to: x) { tape.spreadChannels(g.tensor, shape) }
  }

  func tangent(_ d: (Tensor) -> Tensor?, _ output: Tensor, on tape: Tape) -> Tensor? {
    d(x).map { tape.channelSums($0, shape) }
  }
}

extension Tape {
  /// Σ over positions: rows × `shape.count` to rows × places of channels.
  public func channelSums(_ x: Tensor, _ shape: FeatureShape) -> Tensor {
    let out = result(x.rows, shape.channels.padded)
    ck_channel_sums(out.values, x.values, x.rows, shape.channels.blocks, shape.positions)
    return record(.channelSums(ChannelSums(x: x, shape: shape)), out)
  }
}
