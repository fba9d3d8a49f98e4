// SPDX-License-Identifier: GPL-3.0-or-later

/// Zeros after the last position along each axis of blocked features: the adjoint of `Crop`.
struct Uncrop: TapeOperation {
  let x: Tensor
  let shape: FeatureShape
  let axes: Axes

  func backward(_ g: OutputGradient, on tape: Tape) {
    tape.contribute(to: x) { tape.crop(g.tensor, shape.at(axes), to: shape.axes) }
  }

  func tangent(_ d: (Tensor) -> Tensor?, _ output: Tensor, on tape: Tape) -> Tensor? {
    d(x).map { tape.uncrop($0, shape, to: axes) }
  }
}

extension Tape {
  /// Features with zeros after the last position along each axis.
  /// - Parameters:
  ///   - x: rows × `shape.count`, blocked.
  ///   - shape: of x.
  ///   - axes: how many positions there are then along each axis.
  public func uncrop(_ x: Tensor, _ shape: FeatureShape, to axes: Axes) -> Tensor {
    precondition(x.columns == shape.count, "features of another shape")
    let large = shape.at(axes)
    let out = result(x.rows, large.count)
    out.values.update(repeating: 0, count: out.count)
    large.forEachRun(of: shape, planes: x.rows * shape.channels.blocks) { large, small, count in
      (out.values + large).update(from: x.values + small, count: count)
    }
    return record(.uncrop(Uncrop(x: x, shape: shape, axes: axes)), out)
  }
}
