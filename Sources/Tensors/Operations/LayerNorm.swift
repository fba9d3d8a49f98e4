// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels

/// scale ⊙ (x − mean)/√(variance + ε) + shift, fused; a composing tape writes it in other operations.
struct LayerNorm: TapeOperation {
  let x, scale, shift: Tensor
  /// Mean and 1/√(variance + ε) of each row.
  let statistics: Tensor

  func backward(_ g: OutputGradient, on tape: Tape) {
    precondition(!tape.recording, "a tape that is to differentiate twice begins as a composing one")
    let inPlace = g.isOwned && !x.isConstant
    let dx =
      x.isConstant
      ? nil
      : inPlace
        ? Tensor(values: g.tensor.values, rows: x.rows, columns: x.columns) : tape.result(x.rows, x.columns)
    let dscale = scale.isConstant ? nil : tape.result(1, x.columns)
    let dshift = shift.isConstant ? nil : tape.result(1, x.columns)
    ck_layer_norm_backward(
      dx?.values, dscale?.values, dshift?.values, g.tensor.values, x.values, statistics.values, scale.values, x.rows,
      x.columns)
    if let dscale { tape.contributeOwned(dscale, to: scale) }
    if let dshift { tape.contributeOwned(dshift, to: shift) }
    if let dx { tape.pass(g, on: Tape.Adjoint(tensor: dx, owned: true), to: x) }
  }

  func tangent(_ d: (Tensor) -> Tensor?, _ output: Tensor, on tape: Tape) -> Tensor? {
    preconditionFailure("a tape that is to differentiate forwards begins as a composing one")
  }
}

extension Tape {
  /// scale ⊙ (x − mean)/√(variance + ε) + shift, with mean and variance over the columns of each row (Ba, Kiros and
  /// Hinton 2016).
  /// - Parameters:
  ///   - x: rows × n.
  ///   - scale: 1 × n.
  ///   - shift: 1 × n.
  ///   - epsilon: ε, added to variances.
  public func layerNorm(_ x: Tensor, scale: Tensor, shift: Tensor, epsilon: Double) -> Tensor {
    precondition(scale.rows == 1 && shift.rows == 1 && scale.columns == x.columns && shift.columns == x.columns)
    if recording && composing { return composedLayerNorm(x, scale: scale, shift: shift, epsilon: epsilon) }
    let out = result(x.rows, x.columns)
    let statistics = constant(rows: x.rows, columns: 2)
    ck_layer_norm(
      out.values, statistics.values, x.values, scale.values, shift.values, epsilon, x.rows, x.columns)
    if !recording { arena.recycle(statistics.values, statistics.count) }
    return record(.layerNorm(LayerNorm(x: x, scale: scale, shift: shift, statistics: statistics)), out)
  }

  /// The same in operations that can be differentiated again.
  private func composedLayerNorm(_ x: Tensor, scale: Tensor, shift: Tensor, epsilon: Double) -> Tensor {
    let n = x.columns
    func mean(_ y: Tensor) -> Tensor { self.scale(rowSums(y), by: 1 / Float(n)) }
    let centred = sum(1, x, -1, repeatColumn(mean(x), columns: n))
    let small = constant(rows: 1, columns: 1)
    small.values[0] = Float(epsilon)
    let root = power(addBias(mean(product(centred, centred)), small), -0.5)
    let normal = product(centred, repeatColumn(root, columns: n))
    return addBias(product(normal, repeatRow(scale, rows: x.rows)), shift)
  }
}
