// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Glibc
import Processes
import Scores
import Solvers

/// The rows that share an observation as one population of pairs (x₀, x_t), which a sequential Monte Carlo sampler
/// (Del Moral, Doucet and Jasra 2006) takes from p(x₀) q(x_T | x₀) to p(x₀) p(y | x₀) q(x_ε | x₀). At time t its law is
/// ∝ p(x₀) p(y | x₀)^β q(x_t | x₀), with β from 0 to 1.
///
/// A step weighs rows by p(y | x₀) to the power that β grows by, and resamples them; draws x₀ anew among candidates of
/// p(x₀ | x_t), of which one is the x₀ at hand (`PosteriorTransitions`); and then draws x_s ~ q(x_s | x_t, x₀). β grows
/// as far as a share of the candidates stays effective, and half of the rows: a posterior that is narrow is come to
/// as the candidates close in. Every part leaves the law as it is to be, so that the limit of many rows is exact for
/// any number of steps and candidates. Rows of one observation depend on each other.
public struct PosteriorPopulation: Solver, ReportingSolver {
  /// The configured solver, whose times are used.
  public let base: FixedSteps
  /// The law of data.
  public let law: any ConditionalLaw
  /// What was seen.
  public let observation: Observation
  /// How many candidates a row has at every step.
  public let candidates: Int
  /// β grows for as long as this share of the candidates is effective, in the mean over rows. Where the posterior has
  /// one of many modes, no more than its share of them is: β must be 1 while noise still moves rows between modes.
  public let effective: Double
  /// How many workers compute; results do not depend on it.
  public let threads: Int
  /// Where effective numbers and evidence are kept: those of an observation under the first of its rows.
  public let record: ParticleRecord

  /// - Precondition: 0 < effective ≤ 1.
  /// - Throws: `InputError` for a solver that is not ancestral sampling.
  public init(
    _ base: any Solver, law: any ConditionalLaw, observation: Observation, candidates: Int,
    effective: Double = usualShare, threads: Int,
    record: ParticleRecord = ParticleRecord()
  ) throws {
    try PosteriorTransitions.check(base)
    precondition(effective > 0 && effective <= 1)
    self.base = base.fixedSteps!
    (self.law, self.observation, self.candidates, self.effective) = (law, observation, candidates, effective)
    (self.threads, self.record) = (threads, record)
  }

  public var steps: Int? { base.steps }
  public var grid: (any TimeGrid)? { base.grid }
  public var requires: Requirements { .kernel }
  public var carriesAllRows: Bool { true }

  /// A share of the candidates that serves where the posterior has few modes.
  public static let usualShare = 0.1
  /// And this share of the rows.
  private static let effectiveRows = 0.5
  /// The candidates of so many rows say how far β may grow.
  private static let watchedRows = 512

  public func solve(_ x: Rows, in context: SolveContext) throws -> StepCount {
    let kernel = try context.problem.requireKernel(for: "monte-carlo")
    let times = try context.problem.setting.times(steps: base.steps ?? 0, grid: grid)
    let moments = times.map { kernel.moments(at: $0) }
    context.started(at: times[0], x)
    // One observation after the other, each with its rows side by side.
    let count = observation.values.count
    for k in 0..<count {
      let rows = (0..<x.count).filter { observation.index(ofRow: x.first + $0) == k }
      if rows.isEmpty { continue }
      try solve(x, rows, k, moments, times, context)
    }
    try context.finished(step: times.count - 1, at: times[times.count - 1], x)
    for row in 0..<x.count { context.score.add(times.count - 1, to: row) }
    return StepCount(accepted: Double(times.count - 1))
  }

  /// The rows of one observation.
  private func solve(
    _ x: Rows, _ rows: [Int], _ k: Int, _ moments: [Moments], _ times: [Double], _ context: SolveContext
  ) throws {
    let (n, d, first, seed) = (rows.count, x.dimension, x.first, context.problem.seed)
    let span = RowSpan(first: 0, count: n, dimension: d)
    let (states, origins, spare) = (RowStorage(span), RowStorage(span), RowStorage(span))
    let (logs, watched) = (Numbers(n), Numbers(min(n, Self.watchedRows) * candidates))
    let workers = (0..<max(1, threads)).map { _ in Worker(self, span, seed) }
    let numbers = SharedNumbers(
      states: states.rows, origins: origins.rows, logs: logs.values, watched: watched.values)
    // (x₀, x_T) with the law that it is to have, whatever prior solvers begin at.
    for (i, row) in rows.enumerated() {
      workers[0].begin(i, row: first + row, moments[0], numbers)
    }
    var population = Population(rows: 1, each: n, seed: seed, first: first + rows[0])
    var (power, next) = (0.0, 0.0)
    var history = ParticleRecord.Row()
    for step in 0..<times.count - 1 {
      let isLast = step == times.count - 2
      if isLast { next = 1 }
      if step > 0, next > power {
        next = largest(from: power, to: next) { value in
          isLast || share(logs.values, n, value - power) >= Self.effectiveRows
        }
        population.add { logs[$0] == -.infinity ? -.infinity : (next - power) * logs[$0] }
        power = next
        let state = population.state(of: 0)
        history.effective.append(state.effective)
        history.logEvidence.append(state.logEvidence)
        if let parents = population.resample(below: 1, step: step) {
          states.rows.gather(parents, spare: spare.rows)
          origins.rows.gather(parents, spare: spare.rows)
          logs.gather(parents)
        }
      } else {
        let state = population.state(of: 0)
        history.effective.append(state.effective)
        history.logEvidence.append(state.logEvidence)
      }
      let (later, earlier, isFirst, beta) = (moments[step], moments[step + 1], step == 0, power)
      try Shards(rows: n, size: 64).forEach(threads: threads) { _, range, worker in
        for i in range {
          workers[worker].move(
            i, row: first + rows[i], step: step, later, earlier, power: beta, isFirst: isFirst, numbers)
        }
      }
      let bad = (0..<n * d).first { !states.rows.values[$0].isFinite }
      if let bad {
        throw ComputationError.nonFinite(.state(row: x.first + rows[bad / d], step: step + 1, time: times[step + 1]))
      }
      // How far candidates can follow: by what these were like.
      let watchedCount = min(n, Self.watchedRows)
      next = largest(from: power, to: 1) { value in
        var sum = 0.0
        for i in 0..<watchedCount { sum += share(watched.values + i * candidates, candidates, value) }
        return sum >= effective * Double(watchedCount)
      }
    }
    for (i, row) in rows.enumerated() { x.row(row).copy(states.rows.row(i)) }
    record.keep([history], first: first + rows[0])
  }

  /// The largest value of an interval for which something holds that ends to hold somewhere; `low` where it never does.
  private func largest(from low: Double, to high: Double, _ holds: (Double) -> Bool) -> Double {
    if holds(high) { return high }
    var (low, high) = (low, high)
    for _ in 0..<12 {
      let middle = 0.5 * (low + high)
      if holds(middle) { low = middle } else { high = middle }
    }
    return low
  }

  /// (Σ w)²/Σ w² for w = e^(power · log), as a share of those that are not 0.
  private func share(_ logs: UnsafePointer<Double>, _ count: Int, _ power: Double) -> Double {
    if power == 0 { return 1 }
    var top = -Double.infinity
    for i in 0..<count where logs[i] > top { top = logs[i] }
    guard top > -.infinity else { return 0 }
    var (sum, square, possible) = (0.0, 0.0, 0.0)
    for i in 0..<count where logs[i] > -.infinity {
      possible += 1
      let w = exp(power * (logs[i] - top))
      sum += w
      square += w * w
    }
    return sum * sum / square / possible
  }

  /// What workers share, each in its own rows.
  private struct SharedNumbers: @unchecked Sendable {
    let states, origins: Rows
    let logs, watched: UnsafeMutablePointer<Double>
  }

  /// The memory of one worker.
  private final class Worker: @unchecked Sendable {
    private let candidates: Candidates
    private let normals, uniforms: NoiseStream
    private let z, u: RowStorage

    init(_ solver: PosteriorPopulation, _ span: RowSpan, _ seed: UInt64) {
      candidates = Candidates(solver.law, solver.observation, count: solver.candidates, seed: seed, isOneTaken: true)
      normals = NoiseStream(seed: seed, purpose: .transition)
      uniforms = NoiseStream(seed: seed, purpose: .choice)
      z = RowStorage(RowSpan(first: 0, count: 1, dimension: span.dimension))
      u = RowStorage(RowSpan(first: 0, count: 1, dimension: 1))
    }

    /// Draws x_T of a row by way of x₀.
    func begin(_ i: Int, row: Int, _ end: Moments, _ numbers: SharedNumbers) {
      let d = numbers.states.dimension
      let state = numbers.states.values + i * d
      candidates.drawPrior(row: row, into: state)
      normals.normals(into: z.view(of: row..<row + 1), step: 1 << 40)
      for j in 0..<d { state[j] = end.scale * state[j] + end.deviation * z.rows.values[j] }
    }

    /// Draws x₀ of a row anew, and then its next state.
    func move(
      _ i: Int, row: Int, step: Int, _ later: Moments, _ earlier: Moments, power: Double, isFirst: Bool,
      _ numbers: SharedNumbers
    ) {
      let d = numbers.states.dimension
      let (state, origin) = (numbers.states.values + i * d, numbers.origins.values + i * d)
      normals.normals(into: z.view(of: row..<row + 1), step: step)
      uniforms.uniforms(into: u.view(of: row..<row + 1), step: step)
      candidates.draw(state, row: row, later, step: step, kept: isFirst ? nil : UnsafePointer(origin), power: power)
      let chosen = candidates.take(u.rows.values[0], into: origin)
      numbers.logs[i] = candidates.logLikelihoods[chosen].isNaN ? -.infinity : candidates.logLikelihoods[chosen]
      if i < PosteriorPopulation.watchedRows {
        (numbers.watched + i * candidates.count).update(from: candidates.logLikelihoods, count: candidates.count)
      }
      let (r, q) = earlier.transition(to: later)
      let (v, w) = (earlier.variance, later.variance)
      let (toOrigin, toState, deviation) = (earlier.scale * q / w, r * v / w, (q * v / w).squareRoot())
      for j in 0..<d { state[j] = toOrigin * origin[j] + toState * state[j] + deviation * z.rows.values[j] }
    }
  }

  public func report(of rows: Range<Int>) -> SolveReport { record.report(of: rows, observation) }
}
