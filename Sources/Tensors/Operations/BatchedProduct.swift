// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels

/// op(a) op(b) in every row, whose numbers are a matrix.
struct BatchedProduct: TapeOperation {
  let a, b: Tensor
  let transposeA, transposeB: Bool
  let shape: BatchedShape

  /// As for a single matrix product.
  func backward(_ g: OutputGradient, on tape: Tape) {
    let (s, g) = (shape, g.tensor)
    tape.contribute(to: a) {
      let shape = BatchedShape(rows: s.inner, inner: s.columns, columns: s.rows)
      let turned = BatchedShape(rows: s.rows, inner: s.columns, columns: s.inner)
      return transposeA
        ? tape.batchedProduct(b, g, transposeA: transposeB, transposeB: true, shape)
        : tape.batchedProduct(g, b, transposeB: !transposeB, turned)
    }
    tape.contribute(to: b) {
      let shape = BatchedShape(rows: s.columns, inner: s.rows, columns: s.inner)
      let turned = BatchedShape(rows: s.inner, inner: s.rows, columns: s.columns)
      return transposeB
        ? tape.batchedProduct(g, a, transposeA: true, transposeB: transposeA, shape)
        : tape.batchedProduct(a, g, transposeA: !transposeA, turned)
    }
  }

  func tangent(_ d: (Tensor) -> Tensor?, _ output: Tensor, on tape: Tape) -> Tensor? {
    tape.add(
      d(a).map { tape.batchedProduct($0, b, transposeA: transposeA, transposeB: transposeB, shape) },
      d(b).map { tape.batchedProduct(a, $0, transposeA: transposeA, transposeB: transposeB, shape) })
  }
}

extension Tape {
  /// op(a) op(b) for every row, whose numbers are a matrix; op transposes on request.
  /// - Parameters:
  ///   - a: rows × (m k).
  ///   - b: as many rows × (k n).
  ///   - transposeA: whether the matrices of a, stored as k × m, are transposed.
  ///   - transposeB: whether the matrices of b, stored as n × k, are transposed.
  ///   - shape: m, k and n.
  /// - Returns: rows × (m n).
  public func batchedProduct(
    _ a: Tensor, _ b: Tensor, transposeA: Bool = false, transposeB: Bool = false, _ shape: BatchedShape
  ) -> Tensor {
    precondition(
      a.rows == b.rows && a.columns == shape.rows * shape.inner && b.columns == shape.inner * shape.columns,
      "matrices of other shapes")
    let out = result(a.rows, shape.rows * shape.columns)
    for i in 0..<a.rows {
      ck_matrix_product(
        transposeA ? 1 : 0, transposeB ? 1 : 0, shape.rows, shape.columns, shape.inner, a.values + i * a.columns,
        transposeA ? shape.rows : shape.inner, b.values + i * b.columns, transposeB ? shape.inner : shape.columns, 0,
        out.values + i * out.columns, shape.columns)
    }
    return record(
      .batchedProduct(BatchedProduct(a: a, b: b, transposeA: transposeA, transposeB: transposeB, shape: shape)), out)
  }
}
