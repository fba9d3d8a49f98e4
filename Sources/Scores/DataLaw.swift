// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Glibc

/// The law of data, where it is known: that of x, or of ln x, is a Gaussian mixture.
public struct DataLaw: Sendable {
  /// The law of x, or of ln x.
  public let mixture: GaussianMixture
  /// Whether the data are the exponentials of the mixture's draws.
  public let isExponential: Bool

  /// The law of a mixture's draws, or of their exponentials.
  public init(_ mixture: GaussianMixture, isExponential: Bool = false) {
    self.mixture = mixture
    self.isExponential = isExponential
  }
}

/// Coordinates under which a known law of data becomes another known one.
public protocol LawCoordinates: Coordinates {
  /// The law of y = φ(x); nil where it is not a mixture's.
  func law(of law: DataLaw) -> DataLaw?
}

extension Logarithm: LawCoordinates {
  /// That of ln x: of exponentials of a mixture the mixture, of positive points their logarithms.
  public func law(of law: DataLaw) -> DataLaw? {
    if law.isExponential { return DataLaw(law.mixture) }
    guard let points = law.mixture.points, points.values.allSatisfy({ $0 > 0 }) else { return nil }
    return DataLaw(GaussianMixture(points: Batch(values: points.values.map { log($0) }, dimension: points.dimension)))
  }
}
