// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels

/// x + b, a row added to every row.
struct AddBias: TapeOperation {
  let x, bias: Tensor

  func backward(_ g: OutputGradient, on tape: Tape) {
    if !bias.isConstant { tape.contributeColumnSums(g.tensor, to: bias) }
    tape.pass(g, on: g.adjoint, to: x)
  }

  func tangent(_ d: (Tensor) -> Tensor?, _ output: Tensor, on tape: Tape) -> Tensor? {
    tape.add(d(x), d(bias).map { tape.repeatRow($0, rows: x.rows) })
  }
}

extension Tape {
  /// x + b for a row b: rows × n and 1 × n.
  public func addBias(_ x: Tensor, _ b: Tensor) -> Tensor {
    let out = result(x.rows, x.columns)
    ck_add_bias(out.values, x.values, b.values, x.rows, x.columns)
    return record(.addBias(AddBias(x: x, bias: b)), out)
  }

  /// silu(x + b) in one pass over x, whose memory is then taken: for an x that nobody else will read.
  public func biasThenSilu(_ x: Tensor, _ b: Tensor) -> Tensor {
    biasThenSilu(x, b, indices: nil) { .addBias(AddBias(x: x, bias: b)) }
  }

  /// silu(x + b) for a row b, or for row i that of a table which `indices` names. A recorded pass that is
  /// differentiated once keeps the derivative of silu in place of x + b.
  func biasThenSilu(_ x: Tensor, _ b: Tensor, indices: Tensor?, _ adding: () -> Operation) -> Tensor {
    let out = recording ? result(x.rows, x.columns) : x
    let keepsSlope = recording && keepsSlopes
    ck_bias_silu(out.values, x.values, b.values, indices?.values, keepsSlope ? 1 : 0, x.rows, x.columns)
    guard recording else { return out }
    let kept = Tensor(values: x.values, rows: x.rows, columns: x.columns)
    let biased = record(adding(), kept)
    return record(keepsSlope ? .knownSlope(KnownSlope(x: biased, slope: kept)) : .silu(SiLU(x: biased, order: 0)), out)
  }
}
