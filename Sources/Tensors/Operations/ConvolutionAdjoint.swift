// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels

/// conv(·, w)ᵀ y
struct ConvolutionAdjoint: TapeOperation {
  let y, weights: Tensor
  let shape: ConvolutionShape

  func backward(_ g: OutputGradient, on tape: Tape) {
    tape.contribute(to: y) { tape.convolution(g.tensor, weights, bias: nil, shape) }
    tape.contribute(to: weights) { tape.convolutionWeights(g.tensor, y, shape) }
  }

  func tangent(_ d: (Tensor) -> Tensor?, _ output: Tensor, on tape: Tape) -> Tensor? {
    tape.add(
      d(y).map { tape.convolutionAdjoint($0, weights, shape) },
      d(weights).map { tape.convolutionAdjoint(y, $0, shape) })
  }
}

extension Tape {
  /// The adjoint of conv(·, w), applied to g: rows × `shape.output.count` to rows × `shape.input.count`. With a stride
  /// it is a transposed convolution.
  public func convolutionAdjoint(_ g: Tensor, _ w: Tensor, _ shape: ConvolutionShape) -> Tensor {
    precondition(g.columns == shape.output.count && w.count == shape.weightCount, "a convolution of another shape")
    let out = result(g.rows, shape.input.count)
    if var c = shape.planar {
      ck_convolve_back_data(workspace(for: w), &c, Int32(g.rows), g.values, w.values, out.values)
    } else {
      withVolume(shape) { ck_volume_back_data($0, g.rows, g.values, w.values, out.values, $1) }
    }
    return record(.convolutionAdjoint(ConvolutionAdjoint(y: g, weights: w, shape: shape)), out)
  }
}
