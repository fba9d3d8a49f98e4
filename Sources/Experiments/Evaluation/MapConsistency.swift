// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Evaluation
import Processes
import Scores
import Solvers

/// How far a network's map is from being one, at x_t on the ways of the exact flow from draws of the prior, at times
/// t_0 > t_1 > … > t_4 = ε with equal steps of ln(m/σ) from where samples begin:
///
/// - consistency: the root mean square of ‖X_{t→ε}(x_t) − X_{s→ε}(x_s)‖, over rows and the six pairs of times above ε;
/// - semigroup, of maps between any two times: that of ‖X_{u→s}(X_{t→u}(x_t)) − X_{t→s}(x_t)‖, over rows and the ten
///   triples t > u > s.
///
/// Both are 0 for the flow's own map, and for others: a map that is constant is consistent. `MapErrors` tells how far
/// the map is from the flow.
struct MapConsistency {
  static let steps = 4

  /// t_0 to t_4.
  let times: [Double]
  /// x_t of the exact flow at each.
  let ways: [Batch]

  /// - Parameters:
  ///   - exact: draws from the prior, under the exact score.
  ///   - count: how many rows.
  ///   - flow: solves the exact flow.
  init(_ exact: Sampler, count: Int, flow: ProbabilityFlow) throws {
    let problem = exact.problem
    let kernel = try problem.requireKernel(for: "map_error")
    let start = problem.setting.start
    times = kernel.times(equalInLogSignalToNoiseFrom: start, to: problem.epsilon, steps: Self.steps)
    var state = Batch(count: count, dimension: problem.stateDimension)
    try state.forEachShard(threads: exact.threads) { problem.begin($0) }
    var ways = [state]
    for (from, to) in zip(times, times.dropFirst()) {
      state = try exact.transport(state, from: from, to: to, with: flow).batch
      ways.append(state)
    }
    self.ways = ways
  }

  /// The mean over pairs of ‖X_{t→ε}(x_t) − X_{s→ε}(x_s)‖² of each row.
  /// - Parameters:
  ///   - sampler: has the map.
  ///   - inUnits: takes states to the units in which errors are told.
  func consistency(_ sampler: Sampler, inUnits: (Batch) -> Batch) throws -> [Double] {
    let ends = try (0..<Self.steps).map {
      inUnits(try sampler.mapped(ways[$0], from: times[$0], to: times[Self.steps]))
    }
    var squares: [[Double]] = []
    for i in 0..<Self.steps {
      for j in i + 1..<Self.steps { squares.append(Self.squares(ends[i], ends[j])) }
    }
    return Self.means(squares)
  }

  /// The mean over triples of ‖X_{u→s}(X_{t→u}(x_t)) − X_{t→s}(x_t)‖² of each row.
  /// - Parameters:
  ///   - sampler: has the map.
  ///   - inUnits: takes states to the units in which errors are told.
  func semigroup(_ sampler: Sampler, inUnits: (Batch) -> Batch) throws -> [Double] {
    var squares: [[Double]] = []
    for i in 0..<Self.steps {
      let first = try (i + 1...Self.steps).map { try sampler.mapped(ways[i], from: times[i], to: times[$0]) }
      for j in i + 1..<Self.steps {
        for k in j + 1...Self.steps {
          let two = try sampler.mapped(first[j - i - 1], from: times[j], to: times[k])
          squares.append(Self.squares(inUnits(two), inUnits(first[k - i - 1])))
        }
      }
    }
    return Self.means(squares)
  }

  private static func squares(_ a: Batch, _ b: Batch) -> [Double] {
    (0..<a.count).map { row in zip(a.row(row), b.row(row)).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) } }
  }

  private static func means(_ squares: [[Double]]) -> [Double] {
    squares[0].indices.map { row in squares.reduce(0) { $0 + $1[row] } / Double(squares.count) }
  }
}
