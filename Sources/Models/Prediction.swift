// SPDX-License-Identifier: GPL-3.0-or-later
import Networks
import Processes
import Tensors

/// What a network's output stands for. Each is an affine map between score and output:
/// s(x, t) = skip · x + out · F(in · x, label), with in = 1/√(m² + σ²), or 1/√(m² σ_d² + σ²) for `edm`.
public enum Prediction: String, Sendable, CaseIterable {
  /// z, the noise: s = −F/σ
  case noise
  /// s itself
  case score
  /// x_0, the data: s = (m F − x)/σ²
  case data
  /// v = (m z − σ x_0)/√(m² + σ²) (Salimans and Ho 2022, for any process)
  case velocity
  /// D(x/m; σ̃) = c_skip x/m + c_out F(c_in x/m) with σ̃ = σ/m, c_skip = σ_d²/(σ̃² + σ_d²),
  /// c_out = σ̃ σ_d/√(σ̃² + σ_d²), c_in = 1/√(σ̃² + σ_d²), and s = (m D − x)/σ² (Karras et al. 2022, table 1, for any
  /// process). Input and target of F have unit variance at every noise level. At σ_d = 1 it is −velocity.
  case edm

  /// The factors of the affine map between network and score at one time.
  public struct Coefficients: Sendable {
    /// in: what x is multiplied by before the network sees it.
    public var input: Double
    /// skip and out of s = skip · x + out · F.
    public let skip, output: Double
  }

  /// The factors of the denoiser D = E[x_0 | x_t] = (x + v s)/m, D = skip · x + out · F, which are finite where m or
  /// the signal vanishes and the prediction allows it.
  /// - Parameters:
  ///   - moments: m and v at the time.
  ///   - dataDeviation: σ_d, the standard deviation of all data values; only `edm` asks for it.
  public func denoiser(_ moments: Moments, dataDeviation: Double = 1) -> (skip: Double, output: Double) {
    let (m, v) = (moments.scale, moments.variance)
    switch self {
    case .noise: return (1 / m, -moments.deviation / m)
    case .score: return (1 / m, v / m)
    case .data: return (0, 1)
    case .velocity:
      let total = m * m + v
      return (m / total, -moments.deviation / total.squareRoot())
    case .edm:
      let square = dataDeviation * dataDeviation
      let total = m * m * square + v
      return (m * square / total, moments.deviation * dataDeviation / total.squareRoot())
    }
  }

  /// The factors of the affine map where the kernel has these moments.
  /// - Parameters:
  ///   - moments: m and v at the time.
  ///   - dataDeviation: σ_d, the standard deviation of all data values; only `edm` asks for it.
  public func coefficients(_ moments: Moments, dataDeviation: Double = 1) -> Coefficients {
    let (m, v) = (moments.scale, moments.variance)
    let total = m * m + v
    let input = 1 / total.squareRoot()
    switch self {
    case .noise: return Coefficients(input: input, skip: 0, output: -1 / moments.deviation)
    case .score: return Coefficients(input: input, skip: 0, output: 1)
    case .data: return Coefficients(input: input, skip: -1 / v, output: m / v)
    case .velocity: return Coefficients(input: input, skip: -1 / total, output: -m * input / moments.deviation)
    case .edm:
      // c_skip − 1 = −σ̃²/(σ̃² + σ_d²), so nothing cancels.
      let total = m * m * dataDeviation * dataDeviation + v
      let input = 1 / total.squareRoot()
      return Coefficients(input: input, skip: -1 / total, output: m * dataDeviation * input / moments.deviation)
    }
  }
}
