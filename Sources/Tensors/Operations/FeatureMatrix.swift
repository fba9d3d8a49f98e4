// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels

/// Some channels of blocked features as a matrix of positions × width in every row.
struct FeatureMatrix: TapeOperation {
  let x: Tensor
  let columns: FeatureColumns

  func backward(_ g: OutputGradient, on tape: Tape) {
    tape.contribute(to: x) { tape.matrixFeatures(g.tensor, columns) }
  }

  func tangent(_ d: (Tensor) -> Tensor?, _ output: Tensor, on tape: Tape) -> Tensor? {
    d(x).map { tape.featureMatrix($0, columns) }
  }
}

extension Tape {
  /// Some channels of blocked features as a matrix of positions × width in every row.
  public func featureMatrix(_ x: Tensor, _ columns: FeatureColumns) -> Tensor {
    precondition(x.columns == columns.positions * columns.padded, "features of another shape")
    let out = result(x.rows, columns.positions * columns.width)
    for i in 0..<x.rows {
      ck_pixels_matrix(
        out.values + i * out.columns, x.values + i * x.columns, columns.positions, columns.first, columns.width)
    }
    return record(.featureMatrix(FeatureMatrix(x: x, columns: columns)), out)
  }
}
