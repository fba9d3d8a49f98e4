// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Processes
import Scores

/// The score of the data's own law, which must be a Gaussian mixture, or uniform on boxes. Where a mixture's components
/// have classes, it is also known given a class: that of the class's own components.
public struct ExactScoreRecipe: ScoreRecipe {
  /// The recipe has no options.
  public init() {}

  public var traits: ScoreTraits { [.logDensity, .jacobian] }
  public var isExact: Bool { true }
  public var isDefinedWithoutNoise: Bool { true }
  public func conditionShape(for data: any DataSource) -> ConditionShape? { data.law?.conditionShape ?? .nothing }

  public func check(_ process: PreparedProcess, _ data: any DataSource) throws {
    if let boxes = data.boxes {
      guard process.exactScore(of: boxes) != nil else {
        throw InputError("kind exact: of uniform boxes needs a process whose perturbation kernel is m(t) x₀ + σ(t) z")
      }
      return
    }
    guard let law = data.law else {
      throw InputError(
        "kind exact needs data whose law is known: a Gaussian mixture, or, without coordinates, a uniform-box or a "
          + "checkerboard without noise; use empirical or network")
    }
    guard process.exactScore(of: law) != nil else {
      throw InputError(
        law.isExponential
          ? "kind exact needs a process that is made for exponentials of mixtures; use empirical or network"
          : "kind exact: the process knows no exact score of a Gaussian mixture; use network")
    }
  }

  public func resolve(in setting: ScoreSetting) throws -> ScoreSource {
    if let boxes = setting.data.boxes, let score = setting.process.exactScore(of: boxes) { return ScoreSource(score) }
    guard let law = setting.data.law, let score = setting.process.exactScore(of: law) else {
      throw InputError("the process knows no exact score of the data", at: "score")
    }
    let process = setting.process
    return ScoreSource(
      conditionShape: law.conditionShape, occurringClasses: law.occurringClasses, knowsNothing: true
    ) { conditions in
      if conditions == .nothing || law.classes == nil { return score }
      guard let bound = process.exactScore(of: law, given: conditions) else {
        throw InputError("the process knows no exact score of the data's classes", at: "score")
      }
      return bound
    }
  }
}

/// The score of the training set itself, a mixture of points.
public struct EmpiricalScoreRecipe: ScoreRecipe {
  /// 16 GiB.
  static let largestData = 1 << 31

  /// The recipe has no options.
  public init() {}

  public var traits: ScoreTraits { [.logDensity, .jacobian] }

  public func resolve(in setting: ScoreSetting) throws -> ScoreSource {
    let points = setting.dataset.trainingRows
    guard points.count > 0 else { throw InputError("kind empirical is made of rows; the data has none", at: "score") }
    let (values, overflow) = points.count.multipliedReportingOverflow(by: points.dimension)
    guard !overflow, values <= Self.largestData else {
      throw InputError(
        "kind empirical holds all training rows, 8 bytes a value: \(points.count) rows of \(points.dimension) are "
          + "more than the \(Self.largestData) values allowed; hold more of them out, or use network", at: "score")
    }
    let law = DataLaw(GaussianMixture(points: points.batch()))
    guard let score = setting.process.exactScore(of: law) else {
      throw InputError("the process knows no exact score of a set of points, or not of these", at: "score")
    }
    return ScoreSource(score)
  }
}
