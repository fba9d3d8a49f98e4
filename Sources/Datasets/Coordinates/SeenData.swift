// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Processes
import Scores

/// Data as a model sees them: in coordinates that are still to be fitted to the training rows.
///
/// Its law is the one that the data will have up to the fitted numbers; that of `DataInCoordinates.source` is exact.
public struct SeenData: DataSource {
  private let base: any DataSource
  private let recipes: [any CoordinatesRecipe]
  /// How many values a row has in these coordinates.
  public let dimension: Int
  public let law: DataLaw?

  /// - Parameters:
  ///   - base: the data.
  ///   - recipes: the maps, in the order in which data go through them; there may be none.
  /// - Throws: `InputError` without a location for data that a map is not made for.
  public init(_ base: any DataSource, recipes: [any CoordinatesRecipe]) throws {
    var stage: any DataSource = base
    for recipe in recipes {
      try recipe.check(stage)
      stage = DataBetweenMaps.after(recipe, stage)
    }
    self.base = base
    self.recipes = recipes
    (dimension, imageShape) = (stage.dimension, stage.imageShape)
    law = recipes.reduce(base.law) { law, recipe in law.flatMap { recipe.law(of: $0) } }
  }

  public var boxes: BoxMixture? { recipes.isEmpty ? base.boxes : nil }
  public let imageShape: ImageShape?
  public var conditionShape: ConditionShape { base.conditionShape }
  public var occurringClasses: [Int]? { base.occurringClasses }
  public var texts: [String] { base.texts }
  public func isSeen(_ condition: Condition) -> Bool? { base.isSeen(condition) }
  public var fingerprint: String { base.fingerprint }
  public var notes: [String] { base.notes }
  public var hasRows: Bool { base.hasRows }

  /// The rows in coordinates that are fitted now.
  public func load(seed: UInt64) throws -> Dataset {
    try DataInCoordinates(base, recipes: recipes, seed: seed).seen
  }
}

/// Data in coordinates that were fitted: what a score is made for.
struct FittedData: DataSource {
  let dimension: Int
  let imageShape: ImageShape?
  let conditionShape: ConditionShape
  let occurringClasses: [Int]?
  let fingerprint: String
  let law: DataLaw?
  let texts: [String]
  let seen: Dataset

  var hasRows: Bool { seen.trainingRows.count > 0 }

  func load(seed: UInt64) throws -> Dataset { seen }
}

/// What is known of data that have gone through some maps before the next one is fitted.
struct DataBetweenMaps: DataSource {
  private let base: any DataSource
  let dimension: Int
  let imageShape: ImageShape?

  /// The data after one more map.
  static func after(_ recipe: any CoordinatesRecipe, _ data: any DataSource) -> any DataSource {
    let (dimension, image) = (recipe.dimension(of: data.dimension), data.imageShape.flatMap { recipe.image(of: $0) })
    if dimension == data.dimension, image == data.imageShape { return data }
    return DataBetweenMaps(base: data, dimension: dimension, imageShape: image)
  }

  private init(base: any DataSource, dimension: Int, imageShape: ImageShape?) {
    (self.base, self.dimension, self.imageShape) = (base, dimension, imageShape)
  }

  var conditionShape: ConditionShape { base.conditionShape }
  var occurringClasses: [Int]? { base.occurringClasses }
  var fingerprint: String { base.fingerprint }
  var hasRows: Bool { base.hasRows }

  /// Nobody asks for the rows on the way.
  func load(seed: UInt64) throws -> Dataset { try base.load(seed: seed) }
}
