// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Processes
import Scores

/// A score for sampling that is made of the experiment's own: what `sampling.guidance` names. A package adds its own as
/// kinds of `Catalogue.guidances`.
public protocol Guidance: Sendable {
  /// What the guided score offers, given what the score offers.
  func traits(of traits: ScoreTraits) -> ScoreTraits

  /// - Parameters:
  ///   - source: the experiment's score, which may be bound to several conditions: those of the samples, and nothing.
  ///   - conditions: those of the samples.
  /// - Throws: `InputError` for a score that cannot be guided so.
  func guide(_ source: ScoreSource, given conditions: Conditions) throws -> any Score
}

extension Guidance {
  public func traits(of traits: ScoreTraits) -> ScoreTraits { [] }
}

extension SamplingPlan {
  /// The score that samples are drawn with.
  /// - Throws: `InputError` for conditions or a guidance that the score is not made for.
  func score(_ source: ScoreSource) throws -> any Score {
    try score(source, given: condition.conditions(for: source, count: count))
  }

  /// The same for other conditions than those of the samples.
  func score(_ source: ScoreSource, given conditions: Conditions) throws -> any Score {
    try guidance?.guide(source, given: conditions) ?? source.score(given: conditions)
  }
}
