// SPDX-License-Identifier: GPL-3.0-or-later
import Conditioning
import Core

extension Catalogue {
  static let formulaOperator = Kind<any OperatorRecipe>("formula", "y = h(x), formulas of x") { options, _ in
    let texts = try options.texts("values", example: ["x1^2 + x2"], "a formula for each value of y")
    let parameters = try options.namedNumbers(
      "parameters", reserved: Formula.reserved + ["x"], "numbers that formulas may name")
    return FormulaOperator(texts: texts, parameters: parameters)
  }
}

/// Formulas of x.
struct FormulaOperator: OperatorRecipe {
  let texts: [String]
  let parameters: [String: Double]

  func seen(of shape: RowShape) throws -> SeenMap {
    let map = try FormulaMap(texts, dimension: shape.dimension, parameters: parameters)
    return SeenMap(map, RowShape(dimension: map.observedDimension))
  }
}
