// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Scores

/// Another score in place of the experiment's: for solvers that show, from the same draws of the prior, what the exact
/// one makes of the data that a network has learned.
struct OtherScore: Guidance {
  let recipe: any ScoreRecipe

  var replacesScore: Bool { true }
  func offersProducts(_ given: Bool) -> Bool { true }

  func traits(of traits: ScoreTraits) -> ScoreTraits { recipe.traits }

  func check(_ setting: GuidanceSetting) throws { try recipe.check(setting.process, setting.data) }

  func guide(_ source: ScoreSource, given conditions: Conditions, in problem: GuidanceProblem) throws -> any Score {
    let other = try recipe.resolve(in: problem.scoreSetting)
    guard conditions == .nothing || other.conditionShape != .nothing else {
      throw InputError(
        "other-score knows no conditions, and the samples have some; allowed: sampling.condition: nothing",
        at: "sampling.guidance")
    }
    return try other.score(given: conditions)
  }
}

extension Kind where Value == any Guidance {
  /// `other-score`.
  static var otherScore: Kind {
    Kind("other-score", "another score in place of the experiment's, as the exact one beside a network") {
      options, catalogue in
      let recipe = try options.kind(
        "score", of: catalogue.scores, default: "exact", in: catalogue, "exact, empirical or checkpoint")
      if recipe.network != nil {
        throw options.wrong("score", "is to be trained; allowed: exact, empirical, checkpoint")
      }
      return OtherScore(recipe: recipe)
    }
  }
}
