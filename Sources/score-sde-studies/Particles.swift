// SPDX-License-Identifier: GPL-3.0-or-later
import Conditioning
import Core
import Foundation
import Processes
import Scores
import Solvers

/// How far posterior samples of MCG-Diff's mixture are from the exact posterior, beside how far exact ones are.
struct ParticleStudy {
  /// A method under the name that the table has.
  struct Method: Sendable {
    let name: String
    /// Whether rows are as large as 80 values or more.
    let isForWide: Bool
    let solver: @Sendable (SeenMixtureProblem, any Score, _ threads: Int) throws -> any Solver
    /// How many rows a worker carries at a time.
    let rows: Int
  }

  private static func steps(_ count: Int) -> FixedSteps {
    FixedSteps(Ancestral(), steps: count, grid: LogSignalToNoiseGrid())
  }

  private static func particles(
    _ name: String, _ count: Int, _ method: @escaping @Sendable (any ObservationModel) throws -> any ParticleMethod
  ) -> Method {
    Method(
      name: name, isForWide: false,
      solver: { problem, score, _ in
        try ParticleSolver(
          steps(120), method: method(problem.observation.model), score: score, observation: problem.observation,
          particles: count, share: 0.5)
      }, rows: max(1, 256 / count))
  }

  static let methods = [
    Method(
      name: "monte-carlo, population", isForWide: true,
      solver: { problem, _, threads in
        try PosteriorPopulation(
          steps(60), law: problem.mixture, observation: problem.observation, candidates: 256,
          effective: 0.02, threads: threads)
      }, rows: 256),
    Method(
      name: "monte-carlo, draws", isForWide: true,
      solver: { problem, _, _ in
        try PosteriorTransitions(
          steps(60), law: problem.mixture, observation: problem.observation, candidates: 64)
      }, rows: 256),
    particles("smc, tds, jacobian", 64) { try TwistedMethod($0, spread: .jacobian) },
    particles("smc, tds", 64) { try TwistedMethod($0) },
    particles("smc, mcg-diff", 128) { try ConjugateMethod($0) },
  ]

  /// Prints the table, and writes a row for every problem and method.
  static func run(_ arguments: [String]) throws {
    var (seeds, path, sizes, threads) = (20, "", [8, 80, 800], Shards.processors)
    // How often each method draws its samples of a problem.
    let repeats = 3
    var rest = arguments[...]
    while let option = rest.popFirst() {
      guard let value = rest.popFirst() else {
        throw InputError("\(option) is the last word; expected a value after it")
      }
      switch option {
      case "--seeds": seeds = try number(option, value)
      case "--dimension": sizes = [try number(option, value)]
      case "--threads": threads = try number(option, value)
      case "--csv": path = value
      default: throw InputError("'\(option)'; allowed: --seeds, --dimension, --threads, --csv")
      }
    }
    var csv = "observed,dimension,seed,method,max_sliced,exact,seconds\n"
    print(
      """
      | d_y, d_x | method | max-sliced W₂ | exact sets | ratio, mean | median | seconds |
      |---|---|--:|--:|--:|--:|--:|
      """)
    for dimension in sizes {
      for observed in [1, 2, 4] {
        var found: [String: [(distance: Double, exact: Double, seconds: Double)]] = [:]
        for seed in 1...seeds {
          report("\(observed), \(dimension), seed \(seed)")
          let problem = try SeenMixtureProblem(observed: observed, dimension: dimension, seed: UInt64(seed))
          let measure = MaxSlicedWasserstein(to: problem.posterior(10_000, seed: 1))
          let exact = (2...9).map { measure.distance(to: problem.posterior(1000, seed: $0)) }
          let floor = exact.reduce(0, +) / Double(exact.count)
          for method in methods where dimension < 80 || method.isForWide {
            var (distance, seconds) = (0.0, 0.0)
            for draw in 1...repeats {
              let (samples, duration) = try Self.draw(method, problem, seed: UInt64(100 * seed + draw), threads)
              distance += (samples.map { measure.distance(to: $0) } ?? .infinity) / Double(repeats)
              seconds += duration / Double(repeats)
            }
            found[method.name, default: []].append((distance, floor, seconds))
            csv += "\(observed),\(dimension),\(seed),\"\(method.name)\",\(distance),\(floor),\(seconds)\n"
            if !path.isEmpty { try csv.write(toFile: path, atomically: true, encoding: .utf8) }
          }
        }
        for method in methods {
          guard let runs = found[method.name] else { continue }
          print(row("\(observed), \(dimension)", method.name, runs))
        }
      }
    }
  }

  private static func number(_ option: String, _ text: String) throws -> Int {
    guard let value = Int(text), value >= 1 else {
      throw InputError("\(option) is '\(text)'; allowed: a whole number of 1 or more")
    }
    return value
  }

  /// - Returns: the samples, nil where they ran away, and how long it took.
  private static func draw(
    _ method: Method, _ problem: SeenMixtureProblem, seed: UInt64, _ threads: Int
  ) throws -> (Batch?, Double) {
    // As much noise as the modes are apart (Song and Ermon 2020): with less they are chosen for good at the beginning.
    let process = PreparedProcess(VESDE(GeometricSigma(0.02, problem.extent)))
    let score = MixtureScore(problem.mixture, kernel: process.scalarKernel!)
    let sampler = Sampler(
      process: process, score: FewerRows(score, rows: method.rows), dimension: problem.mixture.dimension, seed: seed,
      epsilon: 0, threads: threads)
    let solver = try method.solver(problem, score, threads)
    let start = ContinuousClock().now
    do {
      let samples = try sampler.draw(1000, with: solver)
      return (samples.batch, samples.statistics.seconds)
    } catch is ComputationError {
      // Where noise is small the plain gradient of p(y | x̂₀) takes steps that no score follows.
      return (nil, start.duration(to: ContinuousClock().now).seconds)
    }
  }

  /// Means over seeds whose samples did not run away, and the 95 % interval of the mean of the ratios by their standard
  /// error; the largest ratio; and how many ran away.
  private static func row(_ size: String, _ name: String, _ all: [(distance: Double, exact: Double, seconds: Double)])
    -> String
  {
    let runs = all.filter(\.distance.isFinite)
    let n = Double(runs.count)
    func mean(_ values: [Double]) -> Double { values.reduce(0, +) / n }
    let ratios = runs.map { $0.distance / $0.exact }
    let ratio = mean(ratios)
    let error = n > 1 ? (ratios.reduce(0) { $0 + ($1 - ratio) * ($1 - ratio) } / (n - 1) / n).squareRoot() : .nan
    func text(_ value: Double, _ digits: Int = 2) -> String { String(format: "%.\(digits)f", value) }
    let lost = all.count - runs.count
    guard n > 0 else { return "| \(size) | \(name) (all ran away) | | | | | |" }
    return [
      "| \(size) | \(name)\(lost > 0 ? " (\(lost) of \(all.count) ran away)" : "")", text(mean(runs.map(\.distance))),
      text(mean(runs.map(\.exact))), "\(text(ratio)) ± \(text(1.96 * error))", text(ratios.sorted()[runs.count / 2]),
      "\(text(mean(runs.map(\.seconds)), 1)) |",
    ].joined(separator: " | ")
  }
}
