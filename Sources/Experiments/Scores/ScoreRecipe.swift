// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Processes
import Scores

/// How an experiment gets its score: what `score` of a config decodes to.
///
/// A package adds recipes of its own as kinds of `Catalogue.scores`. One that wraps others decodes them as kinds too,
/// hands on their `network`, and resolves them in the setting that it is given.
public protocol ScoreRecipe: Sendable {
  /// What the score will offer.
  var traits: ScoreTraits { get }

  /// The network that the experiment trains, or that comes with weights of its own; nil where the score has none.
  var network: NetworkScoreRecipe? { get }

  /// What the score can be told of each row; nil where that is known only after the score is resolved, or where
  /// `network` says it.
  var conditionShape: ConditionShape? { get }

  /// The same for given data: exact scores know the classes that the law of these has. Default: `conditionShape`.
  func conditionShape(for data: any DataSource) -> ConditionShape?

  /// Whether it is the exact score of the data's law: what solvers make of it is then told from how good it is.
  var isExact: Bool { get }

  /// Between which times the map of its flow maps, where it comes with a network that was trained for that; nil: it is
  /// a score alone.
  func map(in catalogue: Catalogue) -> FlowMapRange?

  /// Whether the score is finite at times at which the process has no noise yet.
  var isDefinedWithoutNoise: Bool { get }

  /// The numbers of the coordinates in which the score was trained, a list for each map, where it comes with such; nil:
  /// they are fitted to the data of the experiment.
  func fittedCoordinates() throws -> [[Double]]?

  /// - Throws: `InputError` without a location for a process or data that the score is not made for. Nothing is loaded
  ///   yet.
  func check(_ process: PreparedProcess, _ data: any DataSource) throws

  /// Makes the score.
  func resolve(in setting: ScoreSetting) throws -> ScoreSource
}

extension ScoreRecipe {
  public var traits: ScoreTraits { [] }
  public var network: NetworkScoreRecipe? { nil }
  public var conditionShape: ConditionShape? { .nothing }
  public func conditionShape(for data: any DataSource) -> ConditionShape? { conditionShape }
  public var isExact: Bool { false }
  public func map(in catalogue: Catalogue) -> FlowMapRange? { nil }
  public var isDefinedWithoutNoise: Bool { false }
  public func fittedCoordinates() throws -> [[Double]]? { nil }
  public func check(_ process: PreparedProcess, _ data: any DataSource) throws {}
}

/// What a score is made from.
public struct ScoreSetting: Sendable {
  /// The process with its kernel and prior.
  public let process: PreparedProcess
  /// The data as a model sees them: in coordinates, where the config has such.
  public let data: any DataSource
  /// The rows of the data, as a model sees them.
  public let dataset: Dataset
  /// The key `coordinates` of the config, with every default written out; empty where there are none.
  public let coordinates: String
  /// The seed of the experiment.
  public let seed: UInt64
  /// Every kind that a config may name.
  public let catalogue: Catalogue
  /// The score of the recipe's network, as far as it is trained; nil where there is no network.
  public let learned: ScoreSource?
}

/// A score that becomes one of given rows once it is told what is known of them.
public struct ScoreSource: Sendable {
  /// What it can be told.
  public let conditionShape: ConditionShape
  /// The classes that it has learned, in rising order; nil: all of `conditionShape`, or it knows no classes.
  public let occurringClasses: [Int]?
  /// Whether "nothing" is among it.
  public let knowsNothing: Bool
  private let bind: @Sendable (Conditions) throws -> any Score

  /// - Parameters:
  ///   - conditionShape: what the score can be told of each row.
  ///   - occurringClasses: the classes that it has learned; nil: all.
  ///   - knowsNothing: whether it is also known without a condition.
  ///   - bind: gives the score of rows with these conditions.
  public init(
    conditionShape: ConditionShape, occurringClasses: [Int]? = nil, knowsNothing: Bool,
    bind: @escaping @Sendable (_ conditions: Conditions) throws -> any Score
  ) {
    self.conditionShape = conditionShape
    self.occurringClasses = occurringClasses
    self.knowsNothing = knowsNothing
    self.bind = bind
  }

  /// A score that asks for no condition.
  public init(_ score: any Score) {
    self.init(conditionShape: .nothing, knowsNothing: true) { _ in score }
  }

  /// Whether it can be told a condition, and has learned what that means.
  public func knows(_ condition: Condition) -> Bool {
    guard conditionShape.contains(condition) else { return false }
    guard let label = condition.label, let occurringClasses else { return true }
    return occurringClasses.contains(label)
  }

  /// What it can be told, for people.
  var conditionText: String {
    occurringClasses.map { "one of the classes \($0.listed)" } ?? conditionShape.text
  }

  /// The score of rows of which this is known.
  public func score(given conditions: Conditions) throws -> any Score { try bind(conditions) }
}
