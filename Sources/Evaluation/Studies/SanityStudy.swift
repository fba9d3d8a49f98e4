// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// Runs sanity checks on metrics, and says which of them pass.
public struct SanityStudy: Sendable {
  /// A metric, and what it is to measure.
  public struct Subject: Sendable {
    /// What a table calls the metric.
    public let name: String
    /// The metric itself.
    public let metric: any Metric
    /// What it is to measure.
    public let purpose: SanityCheck.Purpose

    /// A metric under a name, and what it is to measure.
    public init(_ name: String, _ metric: any Metric, _ purpose: SanityCheck.Purpose) {
      (self.name, self.metric, self.purpose) = (name, metric, purpose)
    }

    /// What a metric of the toolkit measures, by its name; a distance for others.
    public static func purpose(of name: String) -> SanityCheck.Purpose {
      switch name {
      case "precision", "density": .fidelity
      case "recall", "coverage", "vendi": .diversity
      case "memorisation", "copy-test", "data-copying": .memorisation
      default: .distance
      }
    }
  }

  /// What a metric made of a check.
  public struct Outcome: Sendable {
    /// The check.
    public let check: SanityCheck
    /// The name of the metric.
    public let subject: String
    /// What the check expects of the metric.
    public let expectation: SanityCheck.Expectation
    /// Means over repeats, and their standard errors, of each level.
    public let means, errors: [Double]
    /// Why the metric has no value; nil: it has.
    public let refusal: String?
    /// Whether the metric did what is expected.
    public let passes: Bool
  }

  /// The metrics.
  public let subjects: [Subject]
  /// The checks.
  public let checks: [SanityCheck]
  /// How many rows there are of samples, of held-out rows and of training rows.
  public let rows: Int
  /// How often each level is drawn.
  public let repeats: Int
  /// Keys all random numbers.
  public let seed: UInt64
  /// How many threads may be used; results do not depend on it.
  public let threads: Int

  /// - Parameters:
  ///   - subjects: the metrics.
  ///   - checks: which checks.
  ///   - rows: how many samples, held-out rows and training rows there are.
  ///   - repeats: how often each level is drawn, at least 2.
  ///   - seed: keys all random numbers.
  ///   - threads: results do not depend on it.
  public init(
    _ subjects: [Subject], checks: [SanityCheck] = SanityCheck.all, rows: Int = 400, repeats: Int = 8, seed: UInt64 = 1,
    threads: Int = Shards.processors
  ) {
    precondition(repeats > 1 && rows > 1)
    (self.subjects, self.checks, self.rows, self.repeats) = (subjects, checks, rows, repeats)
    (self.seed, self.threads) = (seed, threads)
  }

  /// Means over repeats with their standard errors.
  struct Level: Sendable {
    let mean, error: Double
    let refusal: String?
  }

  /// All checks on all metrics that they are about, in order.
  public func run(progress: (String) -> Void = { _ in }) throws -> [Outcome] {
    // The range of each metric: from equal laws to normal laws 3 deviations apart.
    let shift = SanityCheck(
      "range", "", levels: [0, 3], [.fidelity: .worsens, .diversity: .worsens, .distance: .worsens]
    ) {
      level, n, source in
      SanityCheck.Rows(
        samples: SanityCheck.shifted(source.normals(n, 2), by: level), heldOut: source.normals(n, 2),
        training: source.normals(n, 2))
    }
    // Memorisation has another range: from none to copies alone.
    let copies = SanityCheck.all.first { $0.name == "copies" }!
    var ranges: [String: (good: Double, bad: Double)] = [:]
    for (check, isOne) in [(shift, { $0 != .memorisation }), (copies, { $0 == .memorisation })]
      as [(SanityCheck, (SanityCheck.Purpose) -> Bool)]
    {
      let some = subjects.filter { isOne($0.purpose) }
      let levels = try measure(check, some, [check.levels[0], check.levels[check.levels.count - 1]])
      for (subject, values) in zip(some, levels) { ranges[subject.name] = (values[0].mean, values[1].mean) }
    }
    return try checks.flatMap { check in
      progress(check.name)
      let some = subjects.filter { check.expectations[$0.purpose] != nil }
      return zip(some, try measure(check, some, check.levels)).map { subject, levels in
        let expectation = check.expectations[subject.purpose]!
        let refusal = levels.lazy.compactMap(\.refusal).first
        return Outcome(
          check: check, subject: subject.name, expectation: expectation, means: levels.map(\.mean),
          errors: levels.map(\.error), refusal: refusal,
          passes: refusal == nil
            && Self.passes(levels, expectation, subject.metric.better, ranges[subject.name] ?? (0, 0)))
      }
    }
  }

  /// The levels of each metric.
  private func measure(_ check: SanityCheck, _ subjects: [Subject], _ levels: [Double]) throws -> [[Level]] {
    var all = [[Level]](repeating: [], count: subjects.count)
    for (index, level) in levels.enumerated() {
      var values = [[Double]](repeating: [], count: subjects.count)
      var refusals = [String?](repeating: nil, count: subjects.count)
      for turn in 0..<repeats {
        let key = seed &+ UInt64(1_000 * turn + index)
        var source = RowDraws(seed: key)
        let drawn = check.draw(level, rows, &source)
        let comparison = Comparison(
          samples: drawn.samples, reference: Reference(heldOut: drawn.heldOut, training: drawn.training), seed: key,
          threads: threads)
        for (place, subject) in subjects.enumerated() where refusals[place] == nil {
          do {
            values[place].append(try subject.metric.evaluate(comparison))
          } catch let error as InputError {
            refusals[place] = error.message
          }
        }
      }
      for place in subjects.indices {
        let (n, some) = (Double(values[place].count), values[place])
        let mean = some.reduce(0, +) / n
        let square = some.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
        all[place].append(
          Level(
            mean: refusals[place] == nil ? mean : .nan, error: (square / (n * (n - 1))).squareRoot(),
            refusal: refusals[place]))
      }
    }
    return all
  }

  /// Whether the levels do what is expected.
  static func passes(
    _ levels: [Level], _ expectation: SanityCheck.Expectation, _ better: Direction, _ range: (good: Double, bad: Double)
  ) -> Bool {
    let sign = better == .lower ? 1.0 : -1
    let width = abs(range.bad - range.good)
    /// By how much b is worse than a, and 3 standard errors of that.
    func worse(_ a: Level, _ b: Level) -> (by: Double, noise: Double) {
      (sign * (b.mean - a.mean), 3 * (a.error * a.error + b.error * b.error).squareRoot())
    }
    let (first, last) = (levels[0], levels[levels.count - 1])
    switch expectation {
    case .worsens:
      let change = worse(first, last)
      return change.by > change.noise && change.by > 0.05 * width
        && zip(levels, levels.dropFirst()).allSatisfy { worse($0, $1).by >= -worse($0, $1).noise }
    case .stays:
      return levels.allSatisfy { level in
        let change = worse(first, level)
        return abs(change.by) <= max(change.noise, 0.05 * width)
      }
    case .isBad:
      return levels.allSatisfy { sign * ($0.mean - range.good) > width / 2 }
    }
  }
}
