// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import Processes
import Testing

@Suite("Noise ratio and its inverse") struct NoiseToSignalTests {
  private static let epsilon = 1e-5

  private func kernel(_ name: String) throws -> any PerturbationKernel {
    Processes.named(name).makeKernel()
  }

  @Test("σ/m grows with time under every process", arguments: Processes.names) func monotone(_ name: String) throws {
    let kernel = try kernel(name)
    // By a factor of 1.001 in t: an integrated kernel is interpolated to 1e-9.
    var t = Self.epsilon
    while t * 1.001 < 1 {
      #expect(kernel.moments(at: t * 1.001).noiseToSignal > kernel.moments(at: t).noiseToSignal, "t = \(t)")
      t *= 1.001
    }
  }

  @Test("the time of a noise ratio has that ratio, to 1e-12", arguments: Processes.names)
  func inverse(_ name: String) throws {
    let kernel = try kernel(name)
    let (low, high) = (kernel.moments(at: Self.epsilon).noiseToSignal, kernel.moments(at: 1).noiseToSignal)
    for i in 1..<1000 {
      let ratio = low * pow(high / low, Double(i) / 1000)
      let t = kernel.time(ofNoiseToSignal: ratio, from: Self.epsilon, to: 1)
      // 1e-13 is asked for; the ratio itself is right to about 1e-15.
      #expect(abs(kernel.moments(at: t).noiseToSignal / ratio - 1) < 1e-12, "\(ratio) at \(t)")
    }
  }

  @Test("closed forms: VP and sub-VP by their quadratic B(t), VE by a logarithm") func closedForms() throws {
    let (vp, subVP, ve) = (try kernel("vp"), try kernel("sub-vp"), try kernel("ve"))
    /// B(t) = 0.1 t + 9.95 t² solved for t.
    func time(_ integral: Double) -> Double {
      2 * integral / (0.1 + (0.01 + 4 * 9.95 * integral).squareRoot())
    }
    for ratio in [0.011, 0.1, 0.7, 1, 5, 9.9] {
      // σ̃ = √(e^B − 1), 2 sinh(B/2), 0.01 · 1000^t. A relative error of 1e-13 in σ̃ is at most that in t, up to
      // d ln t/d ln σ̃ ≤ 2, and rounding.
      for (kernel, t) in [
        (vp, time(log1p(ratio * ratio))), (subVP, time(2 * asinh(ratio / 2))), (ve, log(ratio / 0.01) / log(1000)),
      ] {
        #expect(abs(kernel.time(ofNoiseToSignal: ratio, from: 1e-5, to: 1) / t - 1) < 1e-12)
      }
    }
  }

  @Test("ratios out of reach give the nearer end; from σ = 0 a time is found too") func ends() throws {
    let kernel = try kernel("vp")
    for (ratio, t) in [(0, 0.1), (1e-3, 0.1), (1e9, 0.7), (.infinity, 0.7)] {
      #expect(kernel.time(ofNoiseToSignal: ratio, from: 0.1, to: 0.7) == t)
    }
    let t = kernel.time(ofNoiseToSignal: 1e-4, from: 0, to: 1)
    #expect(abs(kernel.moments(at: t).noiseToSignal / 1e-4 - 1) < 1e-12)
  }
}
