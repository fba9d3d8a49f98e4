// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Evaluation
import Glibc
import Testing

@Suite("Calibration of posterior samples") struct CalibrationTests {
  /// 60 observations y = x + 0.5 z of x ~ N(0, I₂), and 40 draws for each of N(bias + 0.8 y, width² 0.2 I).
  private func comparison(seed: UInt64, bias: Double = 0, width: Double = 1) -> Comparison {
    let (k, l) = (60, 40)
    func normals(_ purpose: UInt8, _ count: Int) -> Batch {
      NoiseStream(seed: seed, purpose: Purpose(rawValue: purpose)).normals(count: count, dimension: 2)
    }
    let (truth, noise, draws) = (normals(200, k), normals(201, k), normals(202, k * l))
    let y = zip(truth.values, noise.values).map { $0 + 0.5 * $1 }
    let samples = draws.values.enumerated().map { i, z in
      bias + 0.8 * y[i % (2 * k)] + width * 0.2.squareRoot() * z
    }
    let batch = Batch(values: samples, dimension: 2)
    return Comparison(samples: batch, reference: Reference(heldOut: batch), truth: truth, seed: seed, threads: 2)
  }

  @Test("draws of the posterior are calibrated, and biased, narrow or wide ones are not") func power() throws {
    let metric = RankCalibration(directions: 4)
    // p ≤ 0.05 in 5 % of draws: of 100, 12 or more have probability 0.004.
    let small = try (0..<100).count { try metric.evaluate(comparison(seed: UInt64($0))) <= 0.05 }
    #expect(small < 12)
    for (bias, width) in [(0.3, 1.0), (0, 0.5), (0, 2)] {
      #expect(try metric.evaluate(comparison(seed: 1, bias: bias, width: width)) <= 0.01, "\(bias) \(width)")
    }
  }

  @Test("the value does not depend on the threads, and needs the truth") func refusals() throws {
    let metric = RankCalibration()
    let one = comparison(seed: 3)
    let other = Comparison(
      samples: one.samples, reference: one.reference, truth: one.truth, seed: one.seed, threads: 1)
    #expect(try metric.evaluate(one) == metric.evaluate(other))
    let none = Comparison(samples: one.samples, reference: one.reference, seed: 1)
    #expect(throws: InputError.self) { try metric.evaluate(none) }
    #expect(throws: InputError.self) { try TruthError().evaluate(none) }
  }

  /// E |x − x̂|² is twice the posterior's variance for draws of it.
  @Test("the error against the truth is that of draws of the posterior") func truthError() throws {
    let estimate = try TruthError().estimate(comparison(seed: 5))
    let (low, high) = (try #require(estimate.low), try #require(estimate.high))
    #expect(low < 0.4.squareRoot() && 0.4.squareRoot() < high && high - low < 0.3)
  }
}
