// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// How far a solver of the flow ends from the exact solution of the same beginnings, as a function of its times.
package final class EndError {
  private let sampler: Sampler
  private let loop: FixedSteps
  private let exact: Batch
  /// How many grids were tried.
  private(set) var tried = 0

  /// - Parameters:
  ///   - sampler: what is solved.
  ///   - loop: the steps, whose grid is left aside.
  ///   - exact: the exact ends of its first rows.
  package init(_ sampler: Sampler, _ loop: FixedSteps, exact: Batch) {
    (self.sampler, self.loop, self.exact) = (sampler, loop, exact)
  }

  /// The differences at ε, rows × dimension; nil for times that the solver cannot take, or where a state stops being
  /// finite.
  package func differences(_ times: [Double]) throws -> [Double]? {
    tried += 1
    guard let grid = try? ListedTimes(times) else { return nil }
    do {
      let ends = try sampler.draw(
        exact.count, with: loop.with(grid: grid), denoise: false, block: sampler.problem.score.shardRows
      ).batch
      let differences = zip(ends.values, exact.values).map { $0 - $1 }
      return differences.allSatisfy(\.isFinite) ? differences : nil
    } catch let error as ComputationError {
      if error.isStop { throw error }
      return nil
    } catch is InputError {
      return nil
    }
  }

  /// Counts a grid that was none.
  func skip() { tried += 1 }

  /// The root mean square of differences; infinite where there are none.
  package static func size(_ differences: [Double]?) -> Double {
    guard let differences, !differences.isEmpty else { return .infinity }
    return (differences.reduce(0) { $0 + $1 * $1 } / Double(differences.count)).squareRoot()
  }
}
