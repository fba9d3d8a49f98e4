// SPDX-License-Identifier: GPL-3.0-or-later

/// The first positions along each axis of blocked features.
struct Crop: TapeOperation {
  let x: Tensor
  let shape: FeatureShape
  let axes: Axes

  func backward(_ g: OutputGradient, on tape: Tape) {
    tape.contribute(to: x) { tape.uncrop(g.tensor, shape.at(axes), to: shape.axes) }
  }

  func tangent(_ d: (Tensor) -> Tensor?, _ output: Tensor, on tape: Tape) -> Tensor? {
    d(x).map { tape.crop($0, shape, to: axes) }
  }
}

extension Tape {
  /// The first positions along each axis of features.
  /// - Parameters:
  ///   - x: rows × `shape.count`, blocked.
  ///   - shape: of x.
  ///   - axes: how many positions are kept along each axis.
  /// - Returns: rows × places of channels · positions kept.
  public func crop(_ x: Tensor, _ shape: FeatureShape, to axes: Axes) -> Tensor {
    precondition(x.columns == shape.count, "features of another shape")
    let small = shape.at(axes)
    let out = result(x.rows, small.count)
    shape.forEachRun(of: small, planes: x.rows * shape.channels.blocks) { large, small, count in
      (out.values + small).update(from: x.values + large, count: count)
    }
    return record(.crop(Crop(x: x, shape: shape, axes: axes)), out)
  }
}

extension FeatureShape {
  /// The same channels along other axes.
  package func at(_ axes: Axes) -> FeatureShape { FeatureShape(channels, axes) }

  /// Where the runs of floats begin that features and their first positions share.
  /// - Parameters:
  ///   - small: no more positions along any axis.
  ///   - planes: blocks of channels of all rows.
  ///   - body: is told where a run begins in these features and in the small ones, and its length.
  func forEachRun(
    of small: FeatureShape, planes: Int, _ body: (_ large: Int, _ small: Int, _ count: Int) -> Void
  ) {
    precondition(
      axes.count == small.axes.count && !axes.isEmpty && axes.indices.allSatisfy { small.axes[$0] <= axes[$0] },
      "more positions than there are")
    let last = axes.count - 1
    let (lines, count) = (small.positions / small.axes[last], 16 * small.axes[last])
    for plane in 0..<planes {
      for line in 0..<lines {
        // The line's place along the other axes, the slowest first.
        var (rest, large, step) = (line, 0, axes[last])
        for axis in stride(from: last - 1, through: 0, by: -1) {
          large += rest % small.axes[axis] * step
          rest /= small.axes[axis]
          step *= axes[axis]
        }
        body(16 * (plane * positions + large), 16 * (plane * small.positions) + line * count, count)
      }
    }
  }
}
