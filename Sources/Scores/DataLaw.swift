// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Glibc

/// The law of data, where it is known: that of x, or of ln x, is a Gaussian mixture.
public struct DataLaw: Sendable {
  /// The law of x, or of ln x.
  public let mixture: GaussianMixture
  /// Whether the data are the exponentials of the mixture's draws.
  public let isExponential: Bool
  /// The class of each component of the mixture, where rows have classes: rows of a class are draws of its components.
  public let classes: [Int]?

  /// The law of a mixture's draws, or of their exponentials.
  /// - Precondition: classes, where there are any, are 0 or more, one for each component.
  public init(_ mixture: GaussianMixture, isExponential: Bool = false, classes: [Int]? = nil) {
    precondition(
      classes.map { $0.count == mixture.componentCount && $0.allSatisfy { $0 >= 0 } } ?? true,
      "a class for each component")
    self.mixture = mixture
    self.isExponential = isExponential
    self.classes = classes
  }

  /// What is known of rows of this law: a class, or nothing.
  public var conditionShape: ConditionShape { classes.map { .classes(($0.max() ?? 0) + 1) } ?? .nothing }

  /// The classes that components have, in rising order; nil: all of `conditionShape`, or rows have none.
  public var occurringClasses: [Int]? {
    guard let classes else { return nil }
    let occurring = Set(classes).sorted()
    return occurring.count == conditionShape.classCount ? nil : occurring
  }

  /// p(x | c): the law of rows of which this is known; nil for a class that no component has, and for what is no class.
  public func given(_ condition: Condition) -> DataLaw? {
    switch condition {
    case .nothing: return self
    case .label(let label):
      guard let classes else { return nil }
      let components = classes.indices.filter { classes[$0] == label }
      guard !components.isEmpty else { return nil }
      return DataLaw(mixture.only(components), isExponential: isExponential, classes: components.map { _ in label })
    default: return nil
    }
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
    if law.isExponential { return DataLaw(law.mixture, classes: law.classes) }
    guard let points = law.mixture.points, points.values.allSatisfy({ $0 > 0 }) else { return nil }
    return DataLaw(
      GaussianMixture(points: Batch(values: points.values.map { log($0) }, dimension: points.dimension)),
      classes: law.classes)
  }
}
