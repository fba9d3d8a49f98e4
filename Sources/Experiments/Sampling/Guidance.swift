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
  /// - Parameter repeats: how often they are.
  /// - Throws: `InputError` for conditions or a guidance that the score is not made for.
  func score(_ source: ScoreSource, repeats: Int = 1) throws -> any Score {
    let once = try condition.conditions(for: source, count: count)
    return try score(source, given: repeats == 1 ? once : repeated(once, repeats, by: source))
  }

  /// The same for other conditions than those of the samples.
  func score(_ source: ScoreSource, given conditions: Conditions) throws -> any Score {
    try guidance?.guide(source, given: conditions) ?? source.score(given: conditions)
  }

  /// The conditions of the rows of all repeats: sample i of each is drawn for the same.
  private func repeated(_ conditions: Conditions, _ repeats: Int, by source: ScoreSource) throws -> Conditions {
    if case .all = conditions { return conditions }
    let stride = Self.stride(of: count, try source.score(given: conditions))
    let last = (conditions.count ?? stride) - 1
    return conditions.only((0..<repeats * stride).map { min($0 % stride, last) })
  }
}
