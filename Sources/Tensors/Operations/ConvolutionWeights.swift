// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels

/// conv(x, ·)ᵀ y
struct ConvolutionWeights: TapeOperation {
  let x, y: Tensor
  let shape: ConvolutionShape

  func backward(_ g: OutputGradient, on tape: Tape) {
    tape.contribute(to: x) { tape.convolutionAdjoint(y, g.tensor, shape) }
    tape.contribute(to: y) { tape.convolution(x, g.tensor, bias: nil, shape) }
  }

  func tangent(_ d: (Tensor) -> Tensor?, _ output: Tensor, on tape: Tape) -> Tensor? {
    tape.add(
      d(x).map { tape.convolutionWeights($0, y, shape) }, d(y).map { tape.convolutionWeights(x, $0, shape) })
  }
}

extension Tape {
  /// The adjoint of conv(x, ·), applied to g and summed over rows: `shape.weightCount` values.
  public func convolutionWeights(_ x: Tensor, _ g: Tensor, _ shape: ConvolutionShape) -> Tensor {
    precondition(x.columns == shape.input.count && g.columns == shape.output.count, "a convolution of another shape")
    let out = result(1, shape.weightCount)
    convolveBackWeights(x, g, shape, into: out, bias: nil, accumulate: false)
    return record(.convolutionWeights(ConvolutionWeights(x: x, y: g, shape: shape)), out)
  }

  /// conv(x, ·)ᵀ g, and the sums of g for a bias, written or added to memory that is there.
  func convolveBackWeights(
    _ x: Tensor, _ g: Tensor, _ shape: ConvolutionShape, into out: Tensor, bias: Tensor?, accumulate: Bool
  ) {
    if var c = shape.planar {
      ck_convolve_back_weights(
        workspace, &c, Int32(x.rows), x.values, g.values, out.values, bias?.values, accumulate ? 1 : 0)
    } else {
      withVolume(shape) {
        ck_volume_back_weights(
          $0, x.rows, x.values, g.values, out.values, bias?.values, accumulate ? 1 : 0, $1)
      }
    }
  }
}
