// SPDX-License-Identifier: GPL-3.0-or-later
import Conditioning
import Core
import Datasets
import Models
import Scores

/// Classifier guidance: s = s_∅ + w ∇ log p_t(c | x) (Dhariwal and Nichol 2021).
struct ClassifierGuidance: Guidance {
  let weight: GuidanceWeight
  let recipe: ClassifierRecipe

  private static let orWithout = ", or without class_conditional"

  var usesCondition: Bool { true }

  func offersProducts(_ given: Bool) -> Bool { false }
  func traits(of traits: ScoreTraits) -> ScoreTraits { traits.intersection(.memory) }

  func conditionShape(of shape: ConditionShape?, for data: any DataSource) -> ConditionShape? {
    shape == .nothing ? data.conditionShape : shape
  }

  func check(_ setting: GuidanceSetting) throws {
    try setting.requireNothing("classifier", orWithout: Self.orWithout)
    try setting.requireKernel()
    try weight.check(setting)
    guard setting.data.conditionShape.classCount > 1 else {
      throw InputError("classifier needs data with two classes or more to train on")
    }
    let classes = setting.data.occurringClasses?.count ?? 2
    guard classes > 1 else { throw InputError("classifier needs two classes to tell apart; the data has rows of one") }
  }

  func guide(_ source: ScoreSource, given conditions: Conditions, in problem: GuidanceProblem) throws -> any Score {
    guard source.knowsNothing else {
      throw InputError(
        GuidanceSetting.nothingNeeded("classifier", Self.orWithout), at: "sampling.guidance")
    }
    let classifier = try recipe.classifier(problem)
    return TiltedScore(
      try source.score(given: .nothing), gradient: classifier.gradient(given: conditions), weight: weight.value,
      interval: try weight.interval(problem))
  }
}
