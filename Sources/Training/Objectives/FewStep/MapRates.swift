// SPDX-License-Identifier: GPL-3.0-or-later
import Models
import Processes

/// How the affine map between a flow map and its network's output changes with the first time, of a process
/// dx = a x dt + g dw with m′ = a m and σ′ = a σ + g²/(2 σ).
struct MapRates {
  /// m′ and σ′ by t.
  let scale, deviation: Double

  init(_ process: any AffineSDE, _ node: NoiseNode) {
    let (a, g) = (process.driftRate(at: node.time), process.diffusion(at: node.time))
    scale = a * node.moments.scale
    deviation = a * node.moments.deviation + g * g / (2 * node.moments.deviation)
  }

  /// d ln σ̃/dt
  func logRatio(_ m: Moments) -> Double { deviation / m.deviation - scale / m.scale }

  /// The derivatives by t of skip and out of D = skip x + out F.
  func denoiser(_ prediction: Prediction, _ m: Moments, _ dataDeviation: Double) -> (skip: Double, output: Double) {
    let (s, d, v) = (m.scale, m.deviation, m.variance)
    switch prediction {
    case .noise: return (-scale / (s * s), -(deviation * s - d * scale) / (s * s))
    case .score: return (-scale / (s * s), (2 * d * deviation * s - v * scale) / (s * s))
    case .data: return (0, 0)
    case .velocity, .edm:
      // Velocity is minus edm's at σ_d = 1.
      let c = prediction == .edm ? dataDeviation : 1
      let sign = prediction == .edm ? 1.0 : -1
      let total = s * s * c * c + v
      let rate = 2 * (s * scale * c * c + d * deviation)
      let root = total.squareRoot()
      return (
        c * c * (scale * total - s * rate) / (total * total),
        sign * c * (deviation / root - d * rate / (2 * total * root))
      )
    }
  }

  /// The derivative by t of the network's factor `input`.
  func input(_ model: ScoreModel, _ m: Moments) -> Double {
    if model.network.takesRawInput { return 0 }
    let c = model.prediction == .edm ? model.dataDeviation : 1
    let total = m.scale * m.scale * c * c + m.variance
    return -(m.scale * scale * c * c + m.deviation * deviation) / (total * total.squareRoot())
  }

  /// The derivatives by t of the factors of X_{t→s} = skip x + output F.
  func map(_ model: ScoreModel, from m: Moments, to end: Moments) -> (skip: Double, output: Double) {
    let d = model.prediction.denoiser(m, dataDeviation: model.dataDeviation)
    let rates = denoiser(model.prediction, m, model.dataDeviation)
    let ratio = end.deviation / m.deviation
    let ratioRate = -ratio * deviation / m.deviation
    let share = end.scale - m.scale * ratio
    let shareRate = -(scale * ratio + m.scale * ratioRate)
    return (ratioRate + shareRate * d.skip + share * rates.skip, shareRate * d.output + share * rates.output)
  }
}
