// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels

/// Rows of positions × channels as blocked features.
struct Blocked: TapeOperation {
  let x: Tensor
  let shape: FeatureShape

  func backward(_ g: OutputGradient, on tape: Tape) {
    tape.contribute(to: x) { tape.unblocked(g.tensor, shape) }
  }

  func tangent(_ d: (Tensor) -> Tensor?, _ output: Tensor, on tape: Tape) -> Tensor? {
    d(x).map { tape.blocked($0, shape) }
  }
}

extension Tape {
  /// Rows of positions × channels, channels fastest, as blocked features: rows × `shape.count`.
  public func blocked(_ x: Tensor, _ shape: FeatureShape) -> Tensor {
    precondition(x.columns == shape.positions * shape.channels.count, "rows of another size")
    let out = result(x.rows, shape.count)
    ck_to_blocked(
      out.values, x.values, x.rows, shape.positions, shape.channels.count, shape.channels.kernelPlaces,
      shape.channels.blocks)
    return record(.blocked(Blocked(x: x, shape: shape)), out)
  }
}
