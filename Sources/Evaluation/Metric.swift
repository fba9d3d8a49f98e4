// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// A number that says how samples compare with data.
///
/// A metric of one's own has `evaluate`; its interval then comes from `Jackknife`, which asks for it 41 times. A metric
/// whose influences of rows are known in closed form gives `estimate` too, from one pass.
public protocol Metric: Sendable {
  /// How many samples and how many held-out rows there must be at least; default: 1.
  var fewestRows: Int { get }
  /// Whether its work grows with the square of the rows; default: false.
  var comparesAllPairs: Bool { get }
  /// Whether it looks at the rows that the model learned from; default: false. Real rows that it judges then are none
  /// of these.
  var usesTraining: Bool { get }
  /// Whether it says how much of the training rows is among the samples; default: false. One such stands beside all
  /// others, which copies would pass.
  var judgesMemorisation: Bool { get }
  /// Whether its interval depends on how many resamples a bootstrap takes; default: false.
  var usesBootstrap: Bool { get }
  /// Whether ranks share one estimate of it, by a map over rows, blocks or repetitions; default: false. Of other
  /// metrics each is computed by one rank.
  var isSharedByRanks: Bool { get }
  /// Which values are better; default: lower ones.
  var better: Direction { get }

  /// - Throws: `InputError` for samples or data that the metric is not made for.
  func evaluate(_ comparison: Comparison) throws -> Double

  /// The value with a 95 % interval.
  /// - Throws: `InputError` for samples or data that the metric is not made for.
  func estimate(_ comparison: Comparison) throws -> Estimate
}

/// Which values of a metric are better.
public enum Direction: String, Sendable, CaseIterable {
  /// Lower values, as of distances.
  case lower
  /// Higher values, as of shares that are right.
  case higher
}

extension Metric {
  public var fewestRows: Int { 1 }
  public var comparesAllPairs: Bool { false }
  public var usesTraining: Bool { false }
  public var judgesMemorisation: Bool { false }
  public var usesBootstrap: Bool { false }
  public var isSharedByRanks: Bool { false }
  public var better: Direction { .lower }

  /// The value, with influences of groups of rows by `Jackknife`.
  public func estimate(_ comparison: Comparison) throws -> Estimate {
    try Jackknife.estimate(comparison, fewestRows: fewestRows) { try evaluate($0) }
  }
}
