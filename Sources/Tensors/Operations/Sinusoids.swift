// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels

/// [dᵖ/dtᵖ sin(t w), dᵖ/dtᵖ cos(t w)] for a column t and constant frequencies w.
struct Sinusoids: TapeOperation {
  let t, frequencies: Tensor
  let order: Int

  func backward(_ g: OutputGradient, on tape: Tape) {
    tape.contribute(to: t) {
      tape.rowSums(tape.product(g.tensor, tape.sinusoids(t, frequencies: frequencies, order: order + 1)))
    }
  }

  func tangent(_ d: (Tensor) -> Tensor?, _ output: Tensor, on tape: Tape) -> Tensor? {
    d(t).map {
      tape.product(
        tape.repeatColumn($0, columns: output.columns), tape.sinusoids(t, frequencies: frequencies, order: order + 1))
    }
  }
}

extension Tape {
  /// [sin(t w), cos(t w)] for a column t and a row of constant frequencies w, or the derivative of any order in t.
  /// - Parameters:
  ///   - t: rows × 1.
  ///   - frequencies: w, 1 × n.
  ///   - order: of the derivative; 0 is the function itself.
  /// - Returns: rows × 2 n, sines first.
  public func sinusoids(_ t: Tensor, frequencies: Tensor, order: Int = 0) -> Tensor {
    let half = frequencies.columns
    let out = result(t.rows, 2 * half)
    ck_sinusoids(out.values, t.values, frequencies.values, Int32(order), t.rows, half, 2 * half)
    return record(.sinusoids(Sinusoids(t: t, frequencies: frequencies, order: order)), out)
  }
}
