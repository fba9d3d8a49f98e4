// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Evaluation
import Processes
import Scores
import Solvers

/// How far samples are from what the probability flow of the data's exact score makes of the same draws of the prior:
/// ‖f − Φ‖ row by row, where Φ is the flow by GSL's rk8pd at 1e-10 and f what a solver draws. Where the solver is a map
/// that a network has learned, that is the network's error; sampling error is not in it.
final class MapErrors {
  private static let largestCount = 4096
  private static let tolerance = 1e-10
  /// The column, and those of the quantiles beside it.
  static let names = ["map-error", "map-error-median", "map-error-90"]

  private let process: PreparedProcess
  private let exact: any Score
  private let solvers: [String: GuidedSolver]
  private let data: DataInCoordinates
  private let sampling: SamplingPlan
  private let beginning: Beginning?
  private let seed: UInt64
  private let threads: Int
  private var reference: Batch?
  /// How many rows are compared.
  let count: Int

  /// - Parameters:
  ///   - process: whose flow is the truth.
  ///   - exact: the exact score of the data's law, given the samples' conditions.
  ///   - solvers: with their scores.
  ///   - data: in whose units errors are measured.
  ///   - sampling: says how many rows there are, ε and the grid.
  ///   - startStates: what samples begin with; nil: draws of the prior.
  init(
    process: PreparedProcess, exact: any Score, solvers: [GuidedSolver], data: DataInCoordinates,
    sampling: SamplingPlan, startStates: Batch?, seed: UInt64, threads: Int
  ) throws {
    // The first repeat alone is compared.
    beginning = try startStates.flatMap { try sampling.start?.beginning($0, process, seed: seed, period: nil) }
    (self.process, self.exact, self.data, self.sampling) = (process, exact, data, sampling)
    self.solvers = Dictionary(uniqueKeysWithValues: solvers.map { ($0.named.name, $0) })
    (self.seed, self.threads) = (seed, threads)
    count = min(Self.largestCount, sampling.count)
  }

  private func sampler(_ score: any Score) -> Sampler {
    Sampler(
      process: process, score: score, dimension: data.source.dimension, seed: seed, epsilon: sampling.epsilon,
      grid: sampling.grid, beginning: beginning, threads: threads)
  }

  private func truth() throws -> Batch {
    if let reference { return reference }
    let flow = ProbabilityFlow(.rk8pd, rtol: Self.tolerance, atol: Self.tolerance)
    let made = data.decoded(try sampler(exact).draw(count, with: flow, denoise: false).batch)
    reference = made
    return made
  }

  /// The root mean square, the median and the 90th percentile of ‖f − Φ‖; nil for a solver whose rows are draws with
  /// noise of their own.
  func errors(of named: SamplingPlan.NamedSolver) throws -> [String: Estimate]? {
    guard let guided = solvers[named.name], guided.solver.limit == .flow, count > 0 else { return nil }
    let truth = try truth()
    let ends = data.decoded(try sampler(guided.score).draw(count, with: guided.solver, denoise: false).batch)
    let squares = (0..<count).map { row in
      zip(ends.row(row), truth.row(row)).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
    }
    let meanSquare = squares.reduce(0, +) / Double(count)
    let root = meanSquare.squareRoot()
    var found = [Self.names[0]: Estimate(root)]
    if root > 0, root.isFinite {
      found[Self.names[0]] = Estimate(
        root, sampleInfluences: squares.map { ($0 - meanSquare) / (2 * root) }, scale: .logarithm)
    }
    let distances = squares.map { $0.squareRoot() }
    found[Self.names[1]] = Self.quantile(0.5, of: distances)
    found[Self.names[2]] = Self.quantile(0.9, of: distances)
    return found
  }

  /// A quantile with the interval between two order statistics that has it in 95 of 100 cases, by the normal law of the
  /// number of rows below it. The influence of a row is (share − [it lies below])/density, with the density that this
  /// interval says.
  private static func quantile(_ share: Double, of values: [Double]) -> Estimate {
    let (sorted, n) = (values.sorted(), Double(values.count))
    func value(_ place: Double) -> Double {
      let place = min(max(place, 0), n - 1)
      let (low, part) = (Int(place), place - place.rounded(.down))
      return low + 1 < sorted.count ? (1 - part) * sorted[low] + part * sorted[low + 1] : sorted[low]
    }
    let (middle, deviation) = (share * (n - 1), (n * share * (1 - share)).squareRoot())
    let (quantile, low, high) = (
      value(middle), value(middle - normalQuantile * deviation), value(middle + normalQuantile * deviation)
    )
    let inverse = (high - low) / (2 * normalQuantile) * n / deviation
    return Estimate(
      quantile, low: low, high: high,
      sampleInfluences: values.map { (share - ($0 <= quantile ? 1 : 0)) * inverse })
  }
}
