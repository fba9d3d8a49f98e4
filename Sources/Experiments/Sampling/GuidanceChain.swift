// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Scores
import Solvers

/// Several guidances, each of the score that those before it make.
struct GuidanceChain: Guidance {
  let links: [any Guidance]

  func traits(of traits: ScoreTraits) -> ScoreTraits { links.reduce(traits) { $1.traits(of: $0) } }
  var usesObservation: Bool { links.contains(where: \.usesObservation) }
  var usesCondition: Bool { links.contains(where: \.usesCondition) }
  var replacesScore: Bool { links.first?.replacesScore ?? false }
  var texts: [String] { links.flatMap(\.texts) }
  func conditionShape(of shape: ConditionShape?, for data: any DataSource) -> ConditionShape? {
    links.reduce(shape) { $1.conditionShape(of: $0, for: data) }
  }

  var needsProducts: Bool { links.contains(where: \.needsProducts) }
  func offersProducts(_ given: Bool) -> Bool { links.reduce(given) { $1.offersProducts($0) } }

  func check(_ setting: GuidanceSetting) throws {
    var (traits, shape, offersProducts) = (setting.traits, setting.conditionShape, true)
    for (index, link) in links.enumerated() {
      if index > 0, links[index - 1].endsList {
        throw InputError(
          "number \(index) has no effect: the solvers of the one before it do not look at it; allowed: before that one")
      }
      if index > 0, link.passesOverScore {
        throw InputError(
          "number \(index) takes another score in place of what those before it make; allowed: as the first of the list"
        )
      }
      if link.usesObservation, links[..<index].contains(where: \.usesObservation) {
        throw InputError(
          "number \(index) looks at the observation as one before it does, which would count twice; allowed: one that does"
        )
      }
      guard offersProducts || !link.needsProducts else {
        throw InputError(
          "number \(index) needs products with the score's Jacobian, which that of the guidances before it does not have; "
            + "allowed before it: classifier-free without rescale, autoguidance")
      }
      try link.check(
        GuidanceSetting(
          process: setting.process, data: setting.data, traits: traits, conditionShape: shape, model: setting.model,
          knowsNothing: setting.knowsNothing))
      traits = link.traits(of: traits)
      shape = link.conditionShape(of: shape, for: setting.data)
      offersProducts = link.offersProducts(offersProducts)
    }
  }

  var beginsByItself: Bool { links.contains(where: \.beginsByItself) }

  func check(_ solver: any Solver) throws { for link in links { try link.check(solver) } }

  func guide(_ source: ScoreSource, given conditions: Conditions, in problem: GuidanceProblem) throws -> any Score {
    try sources(source, problem).last.score(given: conditions)
  }

  func solver(
    _ solver: any Solver, _ source: ScoreSource, given conditions: Conditions, in problem: GuidanceProblem
  ) throws -> any Solver {
    let sources = sources(source, problem)
    var solver = solver
    for (link, source) in zip(links, sources.before) {
      solver = try link.solver(solver, source, given: conditions, in: problem)
    }
    return solver
  }

  /// The source that each link is given, and what the last one makes.
  private func sources(
    _ source: ScoreSource, _ problem: GuidanceProblem
  ) -> (before: [ScoreSource], last: ScoreSource) {
    var (before, last) = ([ScoreSource](), source)
    for link in links {
      let given = last
      before.append(given)
      last = ScoreSource(
        conditionShape: link.conditionShape(of: given.conditionShape, for: problem.data) ?? given.conditionShape,
        occurringClasses: given.occurringClasses, knowsNothing: given.knowsNothing
      ) { try link.guide(given, given: $0, in: problem) }
    }
    return (before, last)
  }
}
