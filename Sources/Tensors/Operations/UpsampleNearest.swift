// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels

/// Nearest upsampling by 2 along every axis, times a factor; the shape is that of the input.
struct UpsampleNearest: TapeOperation {
  let x: Tensor
  let shape: FeatureShape
  let factor: Float

  func backward(_ g: OutputGradient, on tape: Tape) {
    tape.contribute(to: x) { tape.sumPool(g.tensor, shape, factor: factor) }
  }

  func tangent(_ d: (Tensor) -> Tensor?, _ output: Tensor, on tape: Tape) -> Tensor? {
    d(x).map { tape.upsampleNearest($0, shape, factor: factor) }
  }
}

extension Tape {
  /// Every position twice along every axis, times a factor: nearest upsampling by 2.
  /// - Parameters:
  ///   - x: rows × `shape.count`.
  ///   - shape: of the input.
  ///   - factor: of every value.
  /// - Returns: rows × `shape.doubled.count`.
  public func upsampleNearest(_ x: Tensor, _ shape: FeatureShape, factor: Float = 1) -> Tensor {
    let out = result(x.rows, shape.doubled.count)
    let planes = x.rows * shape.channels.blocks
    if shape.axes.count == 2 {
      ck_repeat_pixels(out.values, x.values, factor, planes, shape.height, shape.width)
    } else {
      shape.withVolume { ck_volume_upsample(out.values, x.values, factor, planes, $0, $1) }
    }
    return record(.upsampleNearest(UpsampleNearest(x: x, shape: shape, factor: factor)), out)
  }
}

extension FeatureShape {
  /// Sizes and doublings along three axes, for kernels that know no other case.
  func withVolume(_ body: (UnsafePointer<Int32>, UnsafePointer<Int32>) -> Void) {
    var size = axes.three(filler: 1)
    var times = axes.changed { _, _ in 2 }.three(filler: 1)
    withUnsafeBytes(of: &size) { size in
      withUnsafeBytes(of: &times) { times in
        guard let size = size.bindMemory(to: Int32.self).baseAddress,
          let times = times.bindMemory(to: Int32.self).baseAddress
        else { return }
        body(size, times)
      }
    }
  }
}
