// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Processes
import Scores

/// How a coordinate map is made: what an element of `coordinates` in a config names.
public protocol CoordinatesRecipe: Sendable {
  /// How many coordinates data of `dimension` values will have.
  func dimension(of dimension: Int) -> Int

  /// As what a row of coordinates is to be seen, where a row of data is such an image. Default: as the same, where the
  /// map keeps the dimension.
  func image(of shape: ImageShape) -> ImageShape?

  /// Whether the map is fitted to rows, and so needs some. Default: true.
  var isFitted: Bool { get }

  /// Whether the map has a determinant, without which no density of the data is known. Default: true.
  var hasDeterminant: Bool { get }

  /// A short text that changes whenever the map changes though its options do not: a checksum of files. Default: empty.
  var fingerprint: String { get }

  /// - Throws: `InputError` without a location for data that the map is not made for. Nothing is loaded yet.
  func check(_ data: any DataSource) throws

  /// Which law data of a known law will have, up to the numbers that are fitted; nil where it is not known.
  func law(of law: DataLaw) -> DataLaw?

  /// Makes the map.
  /// - Parameters:
  ///   - rows: the training rows, as the maps before this one have left them.
  ///   - data: where they come from.
  /// - Throws: `InputError` without a location for rows that have no such coordinates.
  func fit(_ rows: any DataRows, of data: any DataSource) throws -> any Coordinates

  /// Makes a map again from the numbers that were fitted.
  /// - Throws: `InputError` without a location for numbers that are not those of such a map.
  func restore(_ fitted: [Double], of data: any DataSource) throws -> any Coordinates
}

extension CoordinatesRecipe {
  public func dimension(of dimension: Int) -> Int { dimension }
  public func image(of shape: ImageShape) -> ImageShape? { dimension(of: shape.count) == shape.count ? shape : nil }
  public var isFitted: Bool { true }
  public var hasDeterminant: Bool { true }
  public var fingerprint: String { "" }
  public func check(_ data: any DataSource) throws {}
  public func law(of law: DataLaw) -> DataLaw? { nil }
}

/// A map without fitted numbers.
public struct FixedCoordinates: CoordinatesRecipe {
  private let map: any Coordinates

  /// A recipe that always gives this map.
  public init(_ map: any Coordinates) { self.map = map }

  public func dimension(of dimension: Int) -> Int { map.dimension(of: dimension) }
  public var isFitted: Bool { false }
  public func law(of law: DataLaw) -> DataLaw? { (map as? any LawCoordinates)?.law(of: law) }
  public func fit(_ rows: any DataRows, of data: any DataSource) throws -> any Coordinates { map }
  public func restore(_ fitted: [Double], of data: any DataSource) throws -> any Coordinates { map }
}

/// Means and deviations of the training rows.
public struct StandardiseRecipe: CoordinatesRecipe {
  /// What shares a mean and a deviation.
  public enum Sharing: String, Sendable, CaseIterable {
    /// All values of images, each column of other data.
    case auto
    /// Each column has its own.
    case column
    /// All values share one.
    case all
  }

  /// What shares a mean and a deviation.
  public let sharing: Sharing
  /// Standardisation that is fitted to the training rows.
  public init(per sharing: Sharing = .auto) { self.sharing = sharing }

  /// Mixtures stay mixtures.
  public func law(of law: DataLaw) -> DataLaw? { law.isExponential ? nil : law }

  public func fit(_ rows: any DataRows, of data: any DataSource) throws -> any Coordinates {
    try Standardise(fitting: rows, perColumn: sharing == .column || sharing == .auto && data.imageShape == nil)
  }

  public func restore(_ fitted: [Double], of data: any DataSource) throws -> any Coordinates {
    let half = fitted.count / 2
    guard fitted.count == 2 * data.dimension, fitted.allSatisfy(\.isFinite), fitted[half...].allSatisfy({ $0 > 0 })
    else {
      throw InputError("standardise: no means and deviations of \(data.dimension) columns")
    }
    return Standardise(means: Array(fitted[..<half]), deviations: Array(fitted[half...]))
  }
}

/// Uniform noise around levels: those given, or the data's own.
public struct DequantiseRecipe: CoordinatesRecipe {
  /// The levels; nil: those that the data say they have.
  public let levels: Quantisation?
  /// Noise around the given levels, or around the data's own.
  public init(_ levels: Quantisation? = nil) { self.levels = levels }

  public func check(_ data: any DataSource) throws {
    guard levels != nil || data.levels != nil else {
      throw InputError("dequantise: the data does not say its levels; give levels, low and high")
    }
  }

  public func fit(_ rows: any DataRows, of data: any DataSource) throws -> any Coordinates {
    try check(data)
    guard let levels = levels ?? data.levels else { throw InputError("dequantise: there are no levels") }
    let map = Dequantise(levels)
    try map.check(rows)
    return map
  }

  public func restore(_ fitted: [Double], of data: any DataSource) throws -> any Coordinates {
    try Dequantise(fitted: fitted)
  }
}
