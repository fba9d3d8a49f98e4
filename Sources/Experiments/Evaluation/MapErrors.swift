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
  /// How many rows the map itself is judged by, which takes twenty evaluations of each.
  private static let largestWays = 1024
  private static let tolerance = 1e-10
  /// The column, and those of the quantiles beside it.
  private static let ownNames = ["map-error", "map-error-median", "map-error-90"]
  private static let consistencyName = "consistency-error"
  private static let semigroupName = "semigroup-error"

  /// The columns for a network's map; nil: it has none.
  static func names(_ map: FlowMapRange?) -> [String] {
    guard let map else { return ownNames }
    return ownNames + [consistencyName] + (map.reachesAnyTime ? [semigroupName] : [])
  }

  private let process: PreparedProcess
  private let exact: any Score
  private let solvers: [String: GuidedSolver]
  private let data: DataInCoordinates
  private let sampling: SamplingPlan
  private let beginning: Beginning?
  private let seed: UInt64
  private let threads: Int
  private var reference: Batch?
  private var ways: MapConsistency?
  private let count: Int

  /// How many rows a column is of.
  func count(of name: String) -> Int { Self.ownNames.contains(name) ? count : min(count, Self.largestWays) }

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

  private let flow = ProbabilityFlow(.rk8pd, rtol: MapErrors.tolerance, atol: MapErrors.tolerance)

  /// The errors of a solver that draws by a network's map, as a map; none for others.
  private func errorsAsMap(_ guided: GuidedSolver) throws -> [String: Estimate] {
    let sampler = sampler(guided.score)
    // A map from a few times alone is no map along the ways.
    guard guided.solver.requires.contains(.flowMap), let map = sampler.problem.map, map.range.starts == nil else {
      return [:]
    }
    let ways = try ways ?? MapConsistency(self.sampler(exact), count: min(count, Self.largestWays), flow: flow)
    self.ways = ways
    func estimate(_ squares: [Double]) -> Estimate { Self.rootMeanSquare(squares) }
    var found = [Self.consistencyName: estimate(try ways.consistency(sampler, inUnits: data.decodedStates))]
    if map.range.reachesAnyTime {
      found[Self.semigroupName] = estimate(try ways.semigroup(sampler, inUnits: data.decodedStates))
    }
    return found
  }

  private func truth() throws -> Batch {
    if let reference { return reference }
    let made = data.decoded(try sampler(exact).draw(count, with: flow, denoise: false).batch)
    reference = made
    return made
  }

  /// The root mean square, the median and the 90th percentile of ‖f − Φ‖, but for a solver whose rows are draws with
  /// noise of their own; and of one that draws by a map the errors of that (`MapConsistency`).
  func errors(of named: SamplingPlan.NamedSolver) throws -> [String: Estimate] {
    guard let guided = solvers[named.name], count > 0 else { return [:] }
    var found = try errorsAsMap(guided)
    guard guided.solver.limit == .flow else { return found }
    let truth = try truth()
    let ends = data.decoded(try sampler(guided.score).draw(count, with: guided.solver, denoise: false).batch)
    let squares = (0..<count).map { row in
      zip(ends.row(row), truth.row(row)).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
    }
    let distances = squares.map { $0.squareRoot() }
    found[Self.ownNames[0]] = Self.rootMeanSquare(squares)
    found[Self.ownNames[1]] = Self.quantile(0.5, of: distances)
    found[Self.ownNames[2]] = Self.quantile(0.9, of: distances)
    return found
  }

  private static func rootMeanSquare(_ squares: [Double]) -> Estimate {
    let meanSquare = squares.reduce(0, +) / Double(squares.count)
    let root = meanSquare.squareRoot()
    guard root > 0, root.isFinite else { return Estimate(root) }
    return Estimate(root, sampleInfluences: squares.map { ($0 - meanSquare) / (2 * root) }, scale: .logarithm)
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
