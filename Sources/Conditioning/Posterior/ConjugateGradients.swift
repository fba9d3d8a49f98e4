// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// Conjugate gradients (Hestenes and Stiefel 1952) for M u = b, a system for each row, all rows at once. A row that is
/// solved stays as it is, so that its result does not depend on the rows beside it.
final class ConjugateGradients {
  private let directions, products, residuals: RowStorage
  private let squares, goals: RowStorage
  /// By how much, relative to a bound, a product in double precision may fall below it.
  private static let rounding = 1e-6

  init(_ span: RowSpan) {
    (directions, products, residuals) = (RowStorage(span), RowStorage(span), RowStorage(span))
    (squares, goals) = (RowStorage(span.with(dimension: 1)), RowStorage(span.with(dimension: 1)))
  }

  /// - Parameters:
  ///   - b: the right sides, rows × dimension.
  ///   - u: where the solutions go, from u = 0 on.
  ///   - iterations: how many steps there are at most.
  ///   - tolerance: the norm of the residual, of that of b, at which a row is solved.
  ///   - least: a bound of pᵀ M p/pᵀ p from below that M has by what it stands for. Where a p is below it, M is taken
  ///     for the bound along p, and the row is solved: further directions would be divided by even less.
  ///   - multiply: writes M p; it is symmetric and positive definite.
  func solve(
    _ b: Rows, into u: Rows, iterations: Int, tolerance: Double, least: Double = 0,
    _ multiply: (_ p: Rows, _ product: Rows) throws -> Void
  ) throws {
    let (p, q, r) = (directions.view(like: b), products.view(like: b), residuals.view(like: b))
    let (squares, goals) = (squares.rows.values, goals.rows.values)
    u.fill(0)
    p.copy(b)
    r.copy(b)
    for row in 0..<b.count {
      squares[row] = r.row(row).squaredNorm
      goals[row] = tolerance * tolerance * squares[row]
    }
    for _ in 0..<iterations {
      guard (0..<b.count).contains(where: { squares[$0] > goals[$0] }) else { return }
      try multiply(p, q)
      for row in 0..<b.count where squares[row] > goals[row] {
        let (p, q, r, u) = (p.row(row), q.row(row), r.row(row), u.row(row))
        var curvature = 0.0
        for i in 0..<p.size { curvature += p.values[i] * q.values[i] }
        // A Jacobian of a network need be neither symmetric nor positive definite.
        let bound = least * p.squaredNorm
        if curvature < (1 - Self.rounding) * bound || !(curvature > 0) {
          goals[row] = .infinity
          guard bound > 0 else { continue }
          curvature = bound
        }
        let step = squares[row] / curvature
        var square = 0.0
        for i in 0..<p.size {
          u.values[i] += step * p.values[i]
          r.values[i] -= step * q.values[i]
          square += r.values[i] * r.values[i]
        }
        let ratio = square / squares[row]
        for i in 0..<p.size { p.values[i] = r.values[i] + ratio * p.values[i] }
        squares[row] = square
      }
    }
  }
}
