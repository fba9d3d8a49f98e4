// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels

/// A matrix of positions × width in every row as some channels of blocked features.
struct MatrixFeatures: TapeOperation {
  let x: Tensor
  let columns: FeatureColumns

  func backward(_ g: OutputGradient, on tape: Tape) {
    tape.contribute(to: x) { tape.featureMatrix(g.tensor, columns) }
  }

  func tangent(_ d: (Tensor) -> Tensor?, _ output: Tensor, on tape: Tape) -> Tensor? {
    d(x).map { tape.matrixFeatures($0, columns) }
  }
}

extension Tape {
  /// A matrix of positions × width in every row as some channels of blocked features; all other channels are zeros.
  public func matrixFeatures(_ x: Tensor, _ columns: FeatureColumns) -> Tensor {
    precondition(x.columns == columns.positions * columns.width, "matrices of another shape")
    let out = result(x.rows, columns.positions * columns.padded)
    out.values.update(repeating: 0, count: out.count)
    for i in 0..<x.rows {
      ck_matrix_pixels(
        out.values + i * out.columns, x.values + i * x.columns, columns.positions, columns.first, columns.width)
    }
    return record(.matrixFeatures(MatrixFeatures(x: x, columns: columns)), out)
  }
}
