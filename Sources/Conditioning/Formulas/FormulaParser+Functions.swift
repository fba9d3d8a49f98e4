// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core
import Glibc

/// Functions that are made of several operations.
extension FormulaParser {
  mutating func apply(_ function: FormulaFunction.Other, _ a: [Value], at place: Int) throws -> Value {
    switch function {
    case .min: return try reduce(CK_MIN, a, at: place)
    case .max: return try reduce(CK_MAX, a, at: place)
    case .logsumexp: return try reduce(CK_LOGADDEXP, a, at: place)
    case .sum: return try reduce(CK_ADD, a, at: place)
    case .mean:
      return try apply(CK_DIVIDE, [reduce(CK_ADD, a, at: place), number(Double(a[0].nodes.count))], at: place)
    case .norm:
      let squares = try apply(CK_SQUARE, [a[0]], at: place)
      return try apply(CK_SQRT, [reduce(CK_ADD, [squares], at: place)], at: place)
    case .where: return try apply(CK_SELECT, a, at: place)
    case .normal:
      try require(a[2], "a deviation", "above 0", at: place) { $0 > 0 }
      // −½ ((y − μ)/σ)² − ln σ − ½ ln 2π
      let difference = try apply(CK_SUBTRACT, [a[0], a[1]], at: place)
      let square = try apply(CK_SQUARE, [apply(CK_DIVIDE, [difference, a[2]], at: place)], at: place)
      let exponent = try apply(CK_MULTIPLY, [number(-0.5), square], at: place)
      let scale = try apply(CK_ADD, [apply(CK_LOG, [a[2]], at: place), number(0.5 * log(2 * .pi))], at: place)
      return try apply(CK_SUBTRACT, [exponent, scale], at: place)
    case .uniform:
      let (y, low, high) = (a[0], a[1], a[2])
      let isAbove = try apply(CK_LESS_EQUAL, [low, y], at: place)
      let isBelow = try apply(CK_LESS_EQUAL, [y, high], at: place)
      let width = try apply(CK_SUBTRACT, [high, low], at: place)
      try require(width, "a width, high less low,", "above 0", at: place) { $0 > 0 }
      let density = try apply(CK_NEGATE, [apply(CK_LOG, [width], at: place)], at: place)
      return try apply(
        CK_SELECT, [apply(CK_MULTIPLY, [isAbove, isBelow], at: place), density, number(-.infinity)], at: place)
    case .poisson:
      // y ln λ − λ − ln Γ(y + 1), where 0 ln 0 = 0
      let (y, rate) = (a[0], a[1])
      try require(rate, "a rate", "0 or more", at: place) { $0 >= 0 }
      let isNone = try apply(CK_LESS_EQUAL, [y, number(0)], at: place)
      let product = try apply(CK_MULTIPLY, [y, apply(CK_LOG, [rate], at: place)], at: place)
      let power = try apply(CK_SELECT, [isNone, number(0), product], at: place)
      let factorial = try apply(CK_LGAMMA, [apply(CK_ADD, [y, number(1)], at: place)], at: place)
      return try apply(CK_SUBTRACT, [apply(CK_SUBTRACT, [power, rate], at: place), factorial], at: place)
    }
  }

  /// - Throws: `InputError` for a number that a density does not take; what depends on variables is not known here.
  private func require(
    _ value: Value, _ name: String, _ allowed: String, at place: Int, where isRight: (Double) -> Bool
  ) throws {
    for node in value.nodes {
      guard let number = graph.number(node), !isRight(number) else { continue }
      throw wrong("a density with \(name) of \(number); allowed: \(allowed)", at: place)
    }
  }

  private mutating func number(_ value: Double) -> Value { Value(graph.constant(value)) }

  /// The values of one list taken together, or several arguments value by value.
  private mutating func reduce(_ operation: FormulaOperation, _ arguments: [Value], at place: Int) throws -> Value {
    let parts = arguments.count == 1 ? arguments[0].nodes.map { Value($0) } : arguments
    var result = parts[0]
    for part in parts.dropFirst() { result = try apply(operation, [result, part], at: place) }
    return result
  }
}
