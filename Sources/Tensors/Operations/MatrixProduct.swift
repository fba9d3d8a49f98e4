// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels

/// op(a) op(b), where op transposes on request.
struct MatrixProduct: TapeOperation {
  let a, b: Tensor
  let transposeA, transposeB: Bool

  /// C = A B: dA = dC Bᵀ, dB = Aᵀ dC, and the transposes of these.
  func backward(_ g: OutputGradient, on tape: Tape) {
    if transposeA {
      tape.contribute(product: b, g.tensor, transposeB, true, to: a)
    } else {
      tape.contribute(product: g.tensor, b, false, !transposeB, to: a)
    }
    if transposeB {
      tape.contribute(product: g.tensor, a, true, transposeA, to: b)
    } else {
      tape.contribute(product: a, g.tensor, !transposeA, false, to: b)
    }
  }

  func tangent(_ d: (Tensor) -> Tensor?, _ output: Tensor, on tape: Tape) -> Tensor? {
    tape.add(
      d(a).map { tape.matrixProduct($0, b, transposeA: transposeA, transposeB: transposeB) },
      d(b).map { tape.matrixProduct(a, $0, transposeA: transposeA, transposeB: transposeB) })
  }
}

extension Tape {
  /// op(a) op(b), where op transposes on request.
  /// - Parameters:
  ///   - a: m × k, or k × m to be transposed.
  ///   - b: k × n, or n × k to be transposed.
  ///   - transposeA: whether a is transposed.
  ///   - transposeB: whether b is transposed.
  /// - Returns: m × n.
  public func matrixProduct(_ a: Tensor, _ b: Tensor, transposeA: Bool = false, transposeB: Bool = false) -> Tensor {
    let out = result(transposeA ? a.columns : a.rows, transposeB ? b.rows : b.columns)
    multiply(a, b, transposeA, transposeB, into: out, accumulate: false)
    return record(.matrixProduct(MatrixProduct(a: a, b: b, transposeA: transposeA, transposeB: transposeB)), out)
  }

  func multiply(_ a: Tensor, _ b: Tensor, _ transposeA: Bool, _ transposeB: Bool, into out: Tensor, accumulate: Bool) {
    let inner = transposeA ? a.rows : a.columns
    precondition(inner == (transposeB ? b.columns : b.rows), "matrices of different inner size")
    ck_matrix_product(
      transposeA ? 1 : 0, transposeB ? 1 : 0, out.rows, out.columns, inner, a.values, a.stride, b.values, b.stride,
      accumulate ? 1 : 0, out.values, out.columns)
  }
}
