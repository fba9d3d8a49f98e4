// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// The share of samples that a small classifier (`DataClassifier`) assigns to the class that they were drawn for.
///
/// The classifier is wrong about some data, too: the same figure of held-out rows, with their own classes, is its
/// accuracy, and stands beside this one in the tables.
///
/// The interval is Wilson's for independent samples, given the classifier.
public struct ClassAccuracy: Metric {
  /// The metric has no parameters.
  public init() {}

  public var usesTraining: Bool { true }
  public var better: Direction { .higher }

  public func evaluate(_ comparison: Comparison) throws -> Double { try estimate(comparison).value }

  /// - Throws: `InputError` where the data has no classes, where a sample was drawn for none or for one that no
  ///   training row has, and for values that are not finite.
  public func estimate(_ comparison: Comparison) throws -> Estimate {
    try comparison.requireRows(atLeast: fewestRows)
    try comparison.requireFiniteDistances()
    let classifier = try DataClassifier.of(comparison.reference)
    let conditions = comparison.sampleConditions
    let wanted = try (0..<comparison.samples.count).map { row in
      guard (conditions.count ?? .max) > row, case .label(let label) = conditions[row] else {
        throw InputError("class accuracy needs samples of classes; sample \(row) was drawn for none")
      }
      guard classifier.classes.contains(label) else {
        throw InputError("class accuracy of class \(label), which no training row has")
      }
      return label
    }
    let assigned = try classifier.assigned(comparison.samples, threads: comparison.threads)
    let right = zip(wanted, assigned).map { $0 == $1 ? 1.0 : 0 }
    let share = right.reduce(0, +) / Double(right.count)
    return Estimate(share, sampleInfluences: right.map { $0 - share }, scale: .share)
  }
}
