// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Processes
import Testing

@Suite struct PriorAndDriftTests {
  @Test(arguments: Processes.names) func thePriorIsANormalLawOfItsVariance(_ name: String) throws {
    let process = Processes.named(name)
    var x = Batch(count: 50_000, dimension: 2)
    let stream = NoiseStream(seed: 2, purpose: .prior)
    x.withRows { process.makePrior().draw(into: $0, from: stream) }
    let n = Double(x.values.count)
    let expected = process.priorCovariance.values[0]
    let variance = x.values.reduce(0) { $0 + $1 * $1 } / n
    // 4 standard errors √(2/n) of a variance.
    #expect(abs(variance / expected - 1) < 4 * (2 / n).squareRoot())
    #expect(abs(x.values.reduce(0, +) / n) < 4 * (expected / n).squareRoot())
    var densities = [Double](repeating: 0, count: x.count)
    x.withRows { process.makePrior().logDensity($0, into: &densities) }
    for i in 0..<100 {
      let square = x[i, 0] * x[i, 0] + x[i, 1] * x[i, 1]
      let density = -log(2 * .pi * expected) - square / (2 * expected)
      #expect(abs(densities[i] - density) < 1e-12)
    }
  }

  @Test func priorsHaveTheLiteraturesVariances() {
    #expect(VPSDE().priorVariance == 1 && SubVPSDE().priorVariance == 1)
    #expect(abs(VESDE().priorCovariance.values[0] - 2500) < 1e-9 && abs(VESDE().initialVariance - 1e-4) < 1e-18)
    // By default the kernel's last variance, right to its quadrature.
    #expect(abs(Custom().priorCovariance.values[0] - KernelTests.integrated(Custom(), to: 1).variance) < 1e-9)
  }

  @Test(arguments: Processes.names, [0.01, 0.5, 1]) func driftsAreTheFormulas(_ name: String, t: Double) {
    let process = Processes.named(name)
    let (a, g) = (process.driftRate(at: t), process.diffusion(at: t))
    var x = Batch(rows: [[0.5, -2, 3], [1, 0, -1]])
    var s = Batch(rows: [[-1, 0.3, 2], [0.1, 5, -4]])
    var (reverse, flow, noise) = (x, x, x)
    let start = x
    x.withRows { x in
      s.withRows { s in
        reverse.withRows { process.addReverseDrift(x, score: s, at: t, times: -0.25, to: $0) }
        flow.withRows { process.addFlow(x, score: s, at: t, times: -0.25, to: $0) }
        noise.withRows { process.addNoise(s, x, at: t, times: 2, to: $0) }
      }
    }
    for i in 0..<6 {
      let (xi, si) = (start.values[i], s.values[i])
      // A few roundings of numbers up to g² |s| ≤ 500 · 5.
      let tolerance = 1e-14 * (10 + g * g * abs(si))
      #expect(abs(reverse.values[i] - (xi - 0.25 * (a * xi - g * g * si))) < tolerance)
      #expect(abs(flow.values[i] - (xi - 0.25 * (a * xi - 0.5 * g * g * si))) < tolerance)
      #expect(abs(noise.values[i] - (xi + 2 * g * si)) < tolerance)
    }
  }
}
