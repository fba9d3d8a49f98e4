// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels

/// Blocked features as rows of positions × channels.
struct Unblocked: TapeOperation {
  let x: Tensor
  let shape: FeatureShape

  func backward(_ g: OutputGradient, on tape: Tape) {
    tape.contribute(to: x) { tape.blocked(g.tensor, shape) }
  }

  func tangent(_ d: (Tensor) -> Tensor?, _ output: Tensor, on tape: Tape) -> Tensor? {
    d(x).map { tape.unblocked($0, shape) }
  }
}

extension Tape {
  /// Blocked features as rows of positions × channels, channels fastest.
  public func unblocked(_ x: Tensor, _ shape: FeatureShape) -> Tensor {
    precondition(x.columns == shape.count, "features of another size")
    let out = result(x.rows, shape.positions * shape.channels.count)
    ck_from_blocked(
      out.values, x.values, x.rows, shape.positions, shape.channels.count, shape.channels.kernelPlaces,
      shape.channels.blocks)
    return record(.unblocked(Unblocked(x: x, shape: shape)), out)
  }
}
