// SPDX-License-Identifier: GPL-3.0-or-later
import Conditioning
import Core
import Datasets

extension Catalogue {
  static let standardOperators = Kinds<any OperatorRecipe>([
    matrix, identity, mask, crop, downsample, blur, gray, formulaOperator,
  ])

  private static let matrix = Kind<any OperatorRecipe>("matrix", "y = A x for a matrix A") { options, _ in
    MatrixOperator(
      source: try options.oneOf([
        ("values", { .values(try $0.matrix("values", example: [[1, 0]], "A, row by row")) }),
        (
          "file",
          { options in
            let path = try options.file("file", allowed: "CSV or .npy", "A, a row a line")
            options.warnOfGuesses("file", in: path)
            return .file(path)
          }
        ),
      ]))
  }

  private static let identity = Kind<any OperatorRecipe>("identity", "all values as they are") { _, _ in
    IdentityOperator()
  }
}

/// A matrix that is written out.
struct MatrixOperator: OperatorRecipe {
  let source: Source

  /// Where its values are.
  enum Source: Sendable {
    case values([[Double]])
    case file(String)
  }

  func seen(of shape: RowShape) throws -> SeenMap {
    let matrix: Matrix
    switch source {
    case .values(let values):
      if let index = values.firstIndex(where: { $0.count != shape.dimension }) {
        throw InputError(
          "row \(index + 1) has \(values[index].count) values; allowed: \(shape.dimension), as it is applied to rows "
            + "of so many")
      }
      matrix = Matrix(values)
    case .file(let path):
      let table = try ObservedSource.table(path, rowsOf: shape.dimension)
      guard table.dimension == shape.dimension else {
        throw InputError(
          "rows of \(table.dimension) values; allowed: \(shape.dimension), as it is applied to rows of so many",
          at: path)
      }
      matrix = Matrix(rows: table.count, columns: table.dimension, values: table.values)
    }
    return SeenMap(SparseMatrix(matrix), RowShape(dimension: matrix.rows))
  }
}

/// All values.
struct IdentityOperator: OperatorRecipe {
  func seen(of shape: RowShape) throws -> SeenMap {
    SeenMap(SparseMatrix(picking: Array(0..<shape.dimension), of: shape.dimension), shape)
  }
}
