// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// h: what is seen of a row of data where there is no noise. A matrix is one, and so is a formula.
public protocol ForwardMap: Sendable {
  /// How many values a row of data has.
  var dimension: Int { get }
  /// How many values are seen of it.
  var observedDimension: Int { get }
  /// The map as y = A x; nil where it is not linear.
  var matrix: SparseMatrix? { get }
  /// An evaluator with its own memory for the given rows (of `dimension` values), owned by one worker.
  func makeEvaluator(for rows: RowSpan) -> any ForwardEvaluator
}

/// A map with the memory that it works in.
public protocol ForwardEvaluator: AnyObject {
  /// Writes h(x) of every row, and keeps what `pullback` needs.
  /// - Parameters:
  ///   - x: data, rows × dimension; as many rows as the evaluator was made for, or fewer.
  ///   - y: rows × observedDimension; it overlaps no x.
  func evaluate(_ x: Rows, into y: Rows)

  /// Writes (∂h/∂x)ᵀ v of every row, at the x of the last `evaluate`.
  /// - Parameters:
  ///   - v: rows × observedDimension.
  ///   - out: rows × dimension; it overlaps no v.
  func pullback(_ v: Rows, into out: Rows)
}

extension SparseMatrix: ForwardMap {
  public var dimension: Int { columns }
  public var observedDimension: Int { rows }
  public var matrix: SparseMatrix? { self }
  public func makeEvaluator(for rows: RowSpan) -> any ForwardEvaluator { Evaluator(self) }

  private final class Evaluator: ForwardEvaluator {
    private let matrix: SparseMatrix

    init(_ matrix: SparseMatrix) { self.matrix = matrix }

    func evaluate(_ x: Rows, into y: Rows) { matrix.multiply(x, into: y) }
    func pullback(_ v: Rows, into out: Rows) { matrix.multiplyTransposed(v, into: out) }
  }
}

/// h₂(h₁(x)): one map after the other.
public struct ComposedMap: ForwardMap {
  /// h₁, which sees the data.
  public let first: any ForwardMap
  /// h₂, which sees what h₁ gives.
  public let second: any ForwardMap

  /// - Precondition: the second takes as many values as the first gives.
  public init(_ first: any ForwardMap, _ second: any ForwardMap) {
    precondition(first.observedDimension == second.dimension, "maps that fit")
    (self.first, self.second) = (first, second)
  }

  public var dimension: Int { first.dimension }
  public var observedDimension: Int { second.observedDimension }
  /// The product, of two matrices.
  public var matrix: SparseMatrix? {
    guard let a = first.matrix, let b = second.matrix else { return nil }
    return b * a
  }

  public func makeEvaluator(for rows: RowSpan) -> any ForwardEvaluator { Evaluator(self, rows) }

  private final class Evaluator: ForwardEvaluator {
    private let first, second: any ForwardEvaluator
    /// What lies between the two: values, and on the way back slopes.
    private let between: RowStorage

    init(_ map: ComposedMap, _ rows: RowSpan) {
      let middle = rows.with(dimension: map.first.observedDimension)
      first = map.first.makeEvaluator(for: rows)
      second = map.second.makeEvaluator(for: middle)
      between = RowStorage(middle)
    }

    func evaluate(_ x: Rows, into y: Rows) {
      let middle = between.view(like: x)
      first.evaluate(x, into: middle)
      second.evaluate(middle, into: y)
    }

    func pullback(_ v: Rows, into out: Rows) {
      let middle = between.view(like: v)
      second.pullback(v, into: middle)
      first.pullback(middle, into: out)
    }
  }
}
