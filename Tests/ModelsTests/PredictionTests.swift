import Models
import Networks
// SPDX-License-Identifier: GPL-3.0-or-later
import Processes
import Tensors
import Testing

@Suite("Predictions") struct PredictionTests {
  @Test("edm's coefficients are those of Karras et al., table 1, through x/m", arguments: [0.1, 0.5, 1, 3.0])
  func edm(deviation: Double) {
    for (m, sigma) in [(1, 0.002), (1, 80), (0.6, 0.8), (0.0066, 0.99998), (0.999, 1e-4)] as [(Double, Double)] {
      let c = Prediction.edm.coefficients(Moments(scale: m, variance: sigma * sigma), dataDeviation: deviation)
      let (s, d2) = (sigma / m, deviation * deviation)
      let (skip, out, input) = (
        d2 / (s * s + d2), s * deviation / (s * s + d2).squareRoot(), 1 / (s * s + d2).squareRoot()
      )
      // D = skip x/m + out F(input x/m), s = (m D − x)/σ². Rounding; 1 − c_skip is s²/(s² + σ_d²).
      #expect(abs(c.input * m / input - 1) < 1e-14)
      #expect(abs(c.skip * sigma * sigma / -(s * s / (s * s + d2)) - 1) < 1e-14)
      #expect(abs(c.skip * sigma * sigma - (skip - 1)) < 1e-14)
      #expect(abs(c.output * sigma * sigma / (m * out) - 1) < 1e-14)
    }
  }

  @Test("at σ_d = 1 edm is velocity with its sign turned, and no other prediction knows σ_d") func velocity() {
    let moments = Moments(scale: 0.3, variance: 0.7)
    let (a, b) = (Prediction.edm.coefficients(moments), Prediction.velocity.coefficients(moments))
    #expect(a.input == b.input && a.skip == b.skip && abs(a.output / b.output + 1) < 1e-15)
    for prediction in Prediction.allCases where prediction != .edm {
      let (one, two) = (prediction.coefficients(moments), prediction.coefficients(moments, dataDeviation: 2))
      #expect(one.input == two.input && one.skip == two.skip && one.output == two.output)
    }
  }
}
