// SPDX-License-Identifier: GPL-3.0-or-later
import Conditioning
import Core

/// How what is seen differs from what an operator gives: what `noise` of an observation names. A package adds its own
/// as kinds of `Catalogue.noises`.
public protocol NoiseRecipe: Sendable {
  /// - Parameter map: the operator.
  /// - Throws: `InputError` without a location for observations that the noise is not made for.
  func model(of map: any ForwardMap) throws -> any ObservationModel

  /// The values of an observation that are black and white where it is looked at as an image. Default: −1 and 1.
  var range: ClosedRange<Double> { get }
}

extension NoiseRecipe {
  public var range: ClosedRange<Double> { -1...1 }
}

/// y = h(x) + Gaussian noise.
struct GaussianNoise: NoiseRecipe {
  let noise: LinearObservation.Noise

  func model(of map: any ForwardMap) throws -> any ObservationModel {
    if let matrix = map.matrix { return try LinearObservation(matrix, noise: noise) }
    return try NonlinearObservation(map, noise: noise)
  }
}

/// Counts of photons.
struct PoissonNoise: NoiseRecipe {
  let peak, low, high, floor: Double

  func model(of map: any ForwardMap) throws -> any ObservationModel {
    try PoissonObservation(map, peak: peak, low: low, high: high, floor: floor)
  }

  var range: ClosedRange<Double> { 0...peak }
}
