// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels

/// Sums over 2 positions along every axis, times a factor; the shape is that of the output.
struct SumPool: TapeOperation {
  let x: Tensor
  let shape: FeatureShape
  let factor: Float

  func backward(_ g: OutputGradient, on tape: Tape) {
    tape.contribute(to: x) { tape.upsampleNearest(g.tensor, shape, factor: factor) }
  }

  func tangent(_ d: (Tensor) -> Tensor?, _ output: Tensor, on tape: Tape) -> Tensor? {
    d(x).map { tape.sumPool($0, shape, factor: factor) }
  }
}

extension Tape {
  /// Sums over 2 positions along every axis, times a factor: of images an average with 1/4.
  /// - Parameters:
  ///   - x: rows × `shape.doubled.count`.
  ///   - shape: of the output.
  ///   - factor: of every sum.
  /// - Returns: rows × `shape.count`.
  public func sumPool(_ x: Tensor, _ shape: FeatureShape, factor: Float) -> Tensor {
    let out = result(x.rows, shape.count)
    let planes = x.rows * shape.channels.blocks
    if shape.axes.count == 2 {
      ck_sum_pixels(out.values, x.values, factor, planes, shape.height, shape.width)
    } else {
      shape.withVolume { ck_volume_pool(out.values, x.values, factor, planes, $0, $1) }
    }
    return record(.sumPool(SumPool(x: x, shape: shape, factor: factor)), out)
  }
}
