// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Pairs
import Processes
import Scores
import Solvers
import Testing

@Suite("Codes and quantisation") struct EncodingTests {
  private static let flow = ProbabilityFlow(.rkf45, rtol: 1e-9, atol: 1e-9)

  @Test("an interpolation begins and ends at the points themselves", arguments: Family.allCases)
  func ends(family: Family) throws {
    let mixture = try GaussianMixture.pair()
    let sampler = sampler(family, mixture)
    let points = mixture.draw(5, from: NoiseStream(seed: 5, purpose: .data))
    for interpolation in Interpolation.allCases {
      let way = try sampler.interpolate(points, frames: 7, by: interpolation, epsilon: 1e-5, with: Self.flow).batch
      #expect(way.count == 4 * 7)
      for pair in 0..<4 {
        let found = Batch(values: Array(way.row(7 * pair) + way.row(7 * pair + 6)), dimension: 2)
        let expected = Batch(values: Array(points.row(pair) + points.row(pair + 1)), dimension: 2)
        // There and back, some hundred steps, each of which may err by 1e-9; the way back from a code stretches errors
        // at VE by up to σ_max/σ_min of the data's 0.4: 25.
        #expect(largestError(found, expected) < 1e-6)
      }
    }
  }

  @Test("spherical interpolation keeps norms and turns evenly; linear halves") func coefficients() {
    let codes = Batch(rows: [[3, 0], [0, 3], [0, -3]])
    let round = Interpolation.spherical.frames(between: codes, frames: 4)
    #expect(round.count == 8)
    for frame in 0..<4 {
      let angle = Double(frame) / 3 * .pi / 2
      #expect(abs(round[frame, 0] - 3 * cos(angle)) < 1e-14 && abs(round[frame, 1] - 3 * sin(angle)) < 1e-14)
    }
    // Opposite codes have no one way between them: the straight line.
    #expect(round[4, 1] == 3 && round[7, 1] == -3 && round.values.allSatisfy { $0.isFinite })
    let straight = Interpolation.linear.frames(between: codes, frames: 3)
    #expect(straight.row(1) == [1.5, 1.5])
    // Equal codes, and zeros.
    let still = Interpolation.spherical.frames(between: Batch(rows: [[1, 2], [1, 2], [0, 0]]), frames: 3)
    #expect(still.row(1) == [1, 2] && still.row(4) == [0.5, 1])
    #expect(Interpolation.spherical.frames(between: Batch(rows: [[1, 2]]), frames: 3).count == 0)
  }

  @Test("bits per dimension of a law that is uniform over L cells are log₂ L") func bits() {
    for (levels, low, high) in [(17, -1.0, 1.0), (256, -1, 1), (256, 0, 1), (2, 0, 1), (3, -4, 8)] {
      let quantisation = Quantisation(levels: levels, low: low, high: high)
      // The density is 1/(L spacing) in each of 5 dimensions.
      let logDensity = -5 * log(Double(levels) * quantisation.spacing)
      let bits = quantisation.bitsPerDimension(logDensity: logDensity, dimension: 5)
      #expect(abs(bits - log2(Double(levels))) < 1e-12)
    }
    // Digits as v/8 − 1: a unit density has 3 bits.
    #expect(Quantisation(levels: 17).bitsPerDimension(logDensity: 0, dimension: 64) == 3)
  }

  @Test("dequantised values fill their cells evenly") func dequantisation() {
    let quantisation = Quantisation(levels: 5)
    let points = Batch(
      values: (0..<6000).map { quantisation.low + quantisation.spacing * Double($0 % 5) }, dimension: 3)
    let noisy = quantisation.dequantised(points, seed: 1)
    let offsets = pairs(noisy.values, points.values).map { ($0 - $1) / quantisation.spacing }
    // A uniform value less its level again, with rounding.
    #expect(offsets.allSatisfy { abs($0) <= 0.5 + 1e-12 })
    // 6,000 draws: four standard errors of mean and variance, whose kurtosis factor is 1.8 − 1 = 0.8.
    #expect(abs(offsets.mean) < 4 * (1 / 12.0 / 6000).squareRoot())
    #expect(abs(offsets.variance * 12 - 1) < 4 * (0.8 / 6000).squareRoot())
    #expect(quantisation.dequantised(points, seed: 1) == noisy && quantisation.dequantised(points, seed: 2) != noisy)
  }
}
