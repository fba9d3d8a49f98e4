// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels

/// conv(x, w) + b
struct Convolution: TapeOperation {
  let x, weights: Tensor
  let bias: Tensor?
  let shape: ConvolutionShape

  func backward(_ g: OutputGradient, on tape: Tape) {
    tape.contribute(to: x) { tape.convolutionAdjoint(g.tensor, weights, shape) }
    if !tape.recording, !weights.isConstant, let slot = tape.parameterSlot(of: weights) {
      // A bias's gradient comes along, unless only one of the two was there before or the bias is no parameter.
      let biasSlot = bias.flatMap {
        !$0.isConstant && tape.isUsed($0) == slot.used ? tape.parameterSlot(of: $0) : nil
      }
      tape.convolveBackWeights(
        x, g.tensor, shape, into: slot.tensor, bias: biasSlot?.tensor, accumulate: slot.used)
      if biasSlot != nil { return }
    } else {
      tape.contribute(to: weights) { tape.convolutionWeights(x, g.tensor, shape) }
    }
    if let bias, !bias.isConstant {
      tape.contribute(to: bias) { tape.columnSums(tape.channelSums(g.tensor, shape.output)) }
    }
  }

  func tangent(_ d: (Tensor) -> Tensor?, _ output: Tensor, on tape: Tape) -> Tensor? {
    tape.add(
      tape.add(
        d(x).map { tape.convolution($0, weights, bias: nil, shape) },
        d(weights).map { tape.convolution(x, $0, bias: nil, shape) }),
      bias.flatMap(d).map { tape.spreadChannels(tape.repeatRow($0, rows: x.rows), shape.output) })
  }
}

extension Tape {
  /// conv(x, w) + b along the axes of the shape.
  /// - Parameters:
  ///   - x: rows × `shape.input.count`, blocked.
  ///   - w: `shape.weightCount` values, blocked as a layout's `convolution` storage has them.
  ///   - bias: a value for each place of the output's channels; nil for none.
  ///   - shape: what is read and written.
  /// - Returns: rows × `shape.output.count`.
  public func convolution(_ x: Tensor, _ w: Tensor, bias: Tensor?, _ shape: ConvolutionShape) -> Tensor {
    precondition(x.columns == shape.input.count && w.count == shape.weightCount, "a convolution of another shape")
    let out = result(x.rows, shape.output.count)
    if var c = shape.planar {
      ck_convolve(workspace(for: w), &c, Int32(x.rows), x.values, w.values, bias?.values, out.values)
    } else {
      withVolume(shape) { ck_volume_convolve($0, x.rows, x.values, w.values, bias?.values, out.values, $1) }
    }
    return record(.convolution(Convolution(x: x, weights: w, bias: bias, shape: shape)), out)
  }

  /// The shape and scratch memory for convolutions that have no kernel of their own.
  func withVolume(_ shape: ConvolutionShape, _ body: (UnsafePointer<ck_volume>, UnsafeMutablePointer<Float>) -> Void) {
    var volume = shape.volume
    let scratch = result(1, ck_volume_scratch(&volume))
    body(&volume, scratch.values)
    arena.recycle(scratch.values, scratch.count)
  }
}
