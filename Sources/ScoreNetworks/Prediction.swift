// SPDX-License-Identifier: GPL-3.0-or-later
import Processes

/// What a network's output stands for. Each is an affine map between score and output:
/// s(x, t) = skip · x + out · F(in · x, label), with in = 1/√(m² + σ²).
public enum Prediction: String, Sendable, CaseIterable {
  /// z, the noise: s = −F/σ
  case noise
  /// s itself
  case score
  /// x_0, the data: s = (m F − x)/σ²
  case data
  /// v = (m z − σ x_0)/√(m² + σ²) (Salimans and Ho 2022, for any process)
  case velocity

  public struct Coefficients: Sendable {
    public let input, skip, output: Double
  }

  public func coefficients(_ moments: Moments) -> Coefficients {
    let (m, v) = (moments.scale, moments.variance)
    let total = m * m + v
    let input = 1 / total.squareRoot()
    switch self {
    case .noise: return Coefficients(input: input, skip: 0, output: -1 / moments.deviation)
    case .score: return Coefficients(input: input, skip: 0, output: 1)
    case .data: return Coefficients(input: input, skip: -1 / v, output: m / v)
    case .velocity: return Coefficients(input: input, skip: -1 / total, output: -m * input / moments.deviation)
    }
  }
}
