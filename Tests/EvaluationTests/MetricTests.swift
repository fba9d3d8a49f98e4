// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Evaluation
import Foundation
import Pairs
import Testing

@Suite("Metrics") struct MetricTests {
  private func normals(_ count: Int, _ dimension: Int, seed: UInt64, shift: Double = 0, scale: Double = 1) -> Batch {
    var batch = NoiseStream(seed: seed, purpose: .data).normals(count: count, dimension: dimension)
    for i in 0..<count {
      for j in 0..<dimension { batch[i, j] = scale * batch[i, j] + (j == 0 ? shift : 0) }
    }
    return batch
  }

  @Test("energy distance equals the plain double sum") func energyByHand() throws {
    let (x, y) = (normals(37, 3, seed: 1), normals(29, 3, seed: 2, shift: 0.5))
    func mean(_ a: Batch, _ b: Batch, same: Bool) -> Double {
      var sum = 0.0
      for i in 0..<a.count {
        for k in 0..<b.count {
          sum += (0..<3).reduce(0.0) { $0 + (a[i, $1] - b[k, $1]) * (a[i, $1] - b[k, $1]) }.squareRoot()
        }
      }
      return sum / Double(same ? a.count * (a.count - 1) : a.count * b.count)
    }
    let expected = 2 * mean(x, y, same: false) - mean(x, x, same: true) - mean(y, y, same: true)
    let value = try EnergyDistance().evaluate(Comparison(samples: x, heldOut: y, seed: 1, threads: 2))
    // Rounding of sums of about a thousand terms.
    #expect(abs(value - expected) < 1e-12)
  }

  @Test("MMD² equals the plain double sum over five widths") func mmdByHand() throws {
    let (x, y) = (normals(31, 2, seed: 1), normals(40, 2, seed: 2, shift: 1))
    let median = MaximumMeanDiscrepancy.medianDistance(y)
    func kernel(_ a: ArraySlice<Double>, _ b: ArraySlice<Double>) -> Double {
      let d = pairs(a, b).reduce(0.0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
      return [0.25, 0.5, 1, 2, 4].reduce(0.0) { $0 + exp(-d / (2 * $1 * $1 * median * median)) } / 5
    }
    func mean(_ a: Batch, _ b: Batch, same: Bool) -> Double {
      var sum = 0.0
      for i in 0..<a.count {
        for k in 0..<b.count where !(same && i == k) { sum += kernel(a.row(i), b.row(k)) }
      }
      return sum / Double(same ? a.count * (a.count - 1) : a.count * b.count)
    }
    let expected = mean(x, x, same: true) + mean(y, y, same: true) - 2 * mean(x, y, same: false)
    let value = try MaximumMeanDiscrepancy().evaluate(Comparison(samples: x, heldOut: y, seed: 1, threads: 1))
    #expect(abs(value - expected) < 1e-12)
  }

  @Test("sliced Wasserstein of a shifted copy in one dimension is the shift") func slicedShift() throws {
    let x = normals(500, 1, seed: 3)
    let y = Batch(values: x.values.map { $0 + 0.7 }, dimension: 1)
    let value = try SlicedWasserstein().evaluate(Comparison(samples: x, heldOut: y, seed: 1, threads: 2))
    #expect(abs(value - 0.7) < 1e-12)
  }

  @Test("sliced Wasserstein handles counts that do not divide each other") func slicedCounts() throws {
    // F⁻¹ is 0 then 1 (halves), G⁻¹ is 0, 0, 1 (thirds): they differ by 1 on [1/2, 2/3].
    let value = try SlicedWasserstein().evaluate(
      Comparison(
        samples: Batch(values: [0, 1], dimension: 1), heldOut: Batch(values: [1, 0, 0], dimension: 1), seed: 1,
        threads: 1))
    #expect(abs(value - (1.0 / 6).squareRoot()) < 1e-12)
  }

  @Test("sliced Wasserstein of a shift by a in D dimensions is |a|/√D") func slicedShiftInSpace() throws {
    let x = normals(300, 4, seed: 3)
    var y = x
    for i in 0..<y.count { y[i, 0] += 2 }
    let value = try SlicedWasserstein(projections: 4096).evaluate(
      Comparison(samples: x, heldOut: y, seed: 1, threads: 2))
    // ⟨u, a⟩² has mean a²/D = 1 and, for D = 4, standard deviation 1: 1/√4096 = 1.6 % at 4096 directions, 3 of them,
    // halved by the root.
    #expect(abs(value - 1) < 3 * 0.5 / 64)
  }

  @Test("all metrics are near 0 for equal laws and far from it for different ones", arguments: [0.0, 1.0])
  func equalLaws(shift: Double) throws {
    let (x, y) = (normals(2000, 2, seed: 5), normals(2000, 2, seed: 6, shift: shift))
    let energy = try EnergyDistance().evaluate(Comparison(samples: x, heldOut: y, seed: 1, threads: 2))
    let mmd = try MaximumMeanDiscrepancy().evaluate(Comparison(samples: x, heldOut: y, seed: 1, threads: 2))
    let sliced = try SlicedWasserstein().evaluate(Comparison(samples: x, heldOut: y, seed: 1, threads: 2))
    if shift == 0 {
      // The unbiased estimates have standard deviations of order 1/n = 5e-4 times the scale of distances, here about
      // 1.8.
      #expect(abs(energy) < 5e-3 && abs(mmd) < 5e-3)
      // Each quantile has deviation of order 1/√n = 0.02 to 0.05.
      #expect(sliced < 0.1)
    } else {
      #expect(energy > 0.1 && mmd > 0.05 && sliced > 0.5)
    }
  }

  @Test("metrics are the same bytes for any number of threads") func threads() throws {
    let (x, y) = (normals(700, 5, seed: 5), normals(600, 5, seed: 6))
    for metric in [SlicedWasserstein(), EnergyDistance(), MaximumMeanDiscrepancy()] as [any Metric] {
      let one = try metric.evaluate(Comparison(samples: x, heldOut: y, seed: 1, threads: 1))
      let three = try metric.evaluate(Comparison(samples: x, heldOut: y, seed: 1, threads: 3))
      #expect(one == three)
    }
  }

  @Test("batches of different dimension are refused") func dimensions() {
    #expect(throws: InputError.self) {
      try EnergyDistance().evaluate(
        Comparison(samples: normals(5, 2, seed: 1), heldOut: normals(5, 3, seed: 1), seed: 1, threads: 1))
    }
  }
}
