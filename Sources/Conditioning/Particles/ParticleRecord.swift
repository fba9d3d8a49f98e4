// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Glibc
import Solvers
import Synchronization

/// How the particles of rows fared: their effective numbers and the estimates of p(y), step by step.
public final class ParticleRecord: Sendable {
  /// One row, step by step.
  struct Row {
    var effective: [Double] = []
    var logEvidence: [Double] = []
  }
  private let rows = Mutex<[Int: Row]>([:])

  /// A record of nothing yet.
  public init() {}

  /// Keeps what some rows have gone through; one that is done again replaces what was kept of it.
  func keep(_ found: [Row], first: Int) {
    rows.withLock { rows in for (i, row) in found.enumerated() { rows[first + i] = row } }
  }

  /// What rows that share an observation tell at a step.
  public struct Summary: Sendable, Equatable {
    /// Which observation, from 0, and which step, 0 before the first.
    public let observation, step: Int
    /// The mean over rows of the effective number of particles, and the least.
    public let effective, leastEffective: Double
    /// ln of the mean over rows of the estimates of p(y), each of which is unbiased.
    public let logEvidence: Double
    /// Its 95 % interval by the rows' standard error; nil for a single row.
    public let interval: ClosedRange<Double>?
  }

  /// A summary of every observation and step.
  /// - Parameters:
  ///   - range: the rows that count.
  ///   - observations: how many there are.
  ///   - index: which observation a row has; nil: row i has observation i mod their number.
  public func summaries(of range: Range<Int>, observations: Int, index: ((Int) -> Int)? = nil) -> [Summary] {
    let index = index ?? { $0 % observations }
    let rows = rows.withLock { $0 }
    let steps = range.lazy.compactMap { rows[$0]?.effective.count }.first ?? 0
    var summaries: [Summary] = []
    for k in 0..<min(observations, range.count) {
      let own = range.filter { index($0) == k }.compactMap { rows[$0] }
      guard !own.isEmpty else { continue }
      for step in 0..<steps { summaries.append(Self.summary(own, k, step)) }
    }
    return summaries
  }

  /// The two-sided 95 % point of the normal law.
  private static let point = 1.959963984540054

  private static func summary(_ rows: [Row], _ observation: Int, _ step: Int) -> Summary {
    let n = Double(rows.count)
    let effective = rows.map { $0.effective[step] }
    let logs = rows.map { $0.logEvidence[step] }
    let top = logs.max() ?? 0
    let values = top > -.infinity ? logs.map { exp($0 - top) } : logs.map { _ in 0 }
    let mean = values.reduce(0, +) / n
    var interval: ClosedRange<Double>?
    if rows.count > 1, mean > 0 {
      let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / (n - 1)
      // The error of the logarithm of a mean, by its slope; on the scale of the logarithm, so that its low end stays
      // above 0.
      let margin = point * (variance / n).squareRoot() / mean
      interval = top + log(mean) - margin...top + log(mean) + margin
    }
    return Summary(
      observation: observation, step: step, effective: effective.reduce(0, +) / n,
      leastEffective: effective.min() ?? 0, logEvidence: top > -.infinity ? top + log(mean) : -.infinity,
      interval: interval)
  }

  /// Forgets rows.
  public func forget() { rows.withLock { $0 = [:] } }
}

extension ParticleRecord {
  /// `particles.csv`: a row for every observation and step.
  func report(of rows: Range<Int>, _ observation: Observation) -> SolveReport {
    SolveReport(
      file: "particles.csv",
      columns: [
        "observation", "step", "ess", "ess_min", "log_evidence", "log_evidence_low", "log_evidence_high",
      ],
      rows: summaries(of: rows, observations: observation.values.count, index: observation.index).map { summary in
        [
          String(summary.observation + 1), String(summary.step), summary.effective.description,
          summary.leastEffective.description, summary.logEvidence.description,
          summary.interval?.lowerBound.description ?? "", summary.interval?.upperBound.description ?? "",
        ]
      })
  }
}

extension ParticleSolver: ReportingSolver {
  public func report(of rows: Range<Int>) -> SolveReport {
    record.report(of: rows, observation)
  }
}
