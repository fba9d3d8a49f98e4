// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// The way back from coordinates to data, x = ψ(u), for a map ψ that changes each value by itself.
public struct CoordinateMap: ForwardMap {
  /// ψ
  public enum Form: Sendable {
    /// x = shift + slope u, with numbers for each value.
    case affine(slopes: [Double], shifts: [Double])
    /// Any other.
    case elementwise(any ElementwiseCoordinates)
  }

  /// ψ
  public let form: Form
  public let dimension: Int

  /// - Parameters:
  ///   - form: ψ
  ///   - dimension: how many values a row has.
  public init(_ form: Form, dimension: Int) { (self.form, self.dimension) = (form, dimension) }

  public var observedDimension: Int { dimension }
  /// What is shifted is no product with a matrix.
  public var matrix: SparseMatrix? { nil }

  public func makeEvaluator(for rows: RowSpan) -> any ForwardEvaluator { Evaluator(form, rows) }

  func decode(_ u: Rows, into x: Rows) {
    switch form {
    case .affine(let slopes, let shifts):
      for row in 0..<u.count { for j in 0..<u.dimension { x[row, j] = shifts[j] + slopes[j] * u[row, j] } }
    case .elementwise(let map): map.decode(u, into: x)
    }
  }

  private final class Evaluator: ForwardEvaluator {
    private let form: Form
    /// ψ', and what else the map's derivatives say.
    private let slopes, logSlopes, curvatures: RowStorage

    init(_ form: Form, _ rows: RowSpan) {
      self.form = form
      (slopes, logSlopes, curvatures) = (RowStorage(rows), RowStorage(rows), RowStorage(rows))
      guard case .affine(let factors, _) = form else { return }
      for i in 0..<slopes.rows.size { slopes.rows.values[i] = factors[i % rows.dimension] }
    }

    func evaluate(_ u: Rows, into x: Rows) {
      switch form {
      case .affine(let slopes, let shifts):
        for row in 0..<u.count { for j in 0..<u.dimension { x[row, j] = shifts[j] + slopes[j] * u[row, j] } }
      case .elementwise(let map):
        map.decode(u, into: x)
        map.writeDerivatives(
          u, of: x, slope: slopes.view(like: u), logSlope: logSlopes.view(like: u), curvature: curvatures.view(like: u))
      }
    }

    func pullback(_ v: Rows, into out: Rows) {
      let e = slopes.view(like: out)
      for i in 0..<out.size { out.values[i] = v.values[i] * e.values[i] }
    }
  }
}
