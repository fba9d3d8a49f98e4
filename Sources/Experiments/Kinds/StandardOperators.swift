// SPDX-License-Identifier: GPL-3.0-or-later
import Conditioning
import Core
import Datasets
import Scores

extension Catalogue {
  static let standardOperators = Kinds<any OperatorRecipe>([
    Kind("matrix", "y = A x for a matrix A") { options, _ in
      MatrixOperator(values: try options.matrix("values", example: [[1, 0]], "A, row by row"))
    }
  ])
}

/// A matrix that is written out.
struct MatrixOperator: OperatorRecipe {
  let values: [[Double]]

  func matrix(dimension: Int, image: ImageShape?) throws -> SparseMatrix {
    if let row = values.first(where: { $0.count != dimension }) {
      throw InputError("a row of \(row.count) values for data of \(dimension)")
    }
    return SparseMatrix(Matrix(values))
  }
}
