// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Evaluation
import Foundation
import Pairs
import Testing

@Suite("Metrics of memorisation") struct MemorisationTests {
  static let metrics: [any Metric] = [Memorisation(), CopyTest(), DataCopying()]

  private func comparison(
    _ samples: Batch, seed: UInt64 = 1, rows: Int? = nil, threads: Int = 2
  ) -> Comparison {
    let (n, d) = (rows ?? samples.count, samples.dimension)
    return Comparison(
      samples: samples,
      reference: Reference(
        heldOut: normalRows(n, d, seed: 3 * seed + 1), training: normalRows(n, d, seed: 3 * seed + 2)), seed: seed,
      threads: threads)
  }

  @Test("the share of copies and C_T are those of scikit-learn and SciPy")
  func fixture() throws {
    let fixture = try NeighbourFixture.read()
    #expect(abs(try Memorisation().evaluate(fixture.comparison()) - fixture.memorisation) < 1e-12)
    // Ranks, and a root.
    #expect(abs(try DataCopying().evaluate(fixture.comparison()) - fixture.dataCopying) < 1e-9)
  }

  @Test("the share of copies is found")
  func share() throws {
    for share in [0.0, 0.2, 1] {
      var samples = normalRows(2000, 8, seed: 3)
      let comparison = comparison(samples)
      for i in 0..<Int(share * 2000) {
        for j in 0..<8 { samples[i, j] = comparison.reference.training[i, j] + 0.01 * samples[i, j] }
      }
      let estimate = try Memorisation().estimate(
        Comparison(samples: samples, reference: comparison.reference, seed: 1, threads: 2))
      // Shares of 5 % of 2,000 samples and 2,000 rows have a deviation of 0.7 % together, and copies one of 0.9 %.
      #expect(abs(estimate.value - share) < 4 * 0.012)
      let (low, high) = (try #require(estimate.low), try #require(estimate.high))
      #expect(low <= share + 0.02 && share - 0.02 <= high && high - low < 0.08)
    }
  }

  @Test("near copies count the more the sparser the data around them") func sparse() throws {
    // A dense heap, and a wide ring: six samples lie near rows of the ring, where data is a thousand times sparser.
    func heap(_ count: Int, _ seed: UInt64) -> [Double] { normalRows(count, 2, seed: seed).values.map { 0.01 * $0 } }
    var ring: [Double] = []
    for k in 0..<20 {
      let angle = 0.1 * Double.pi * Double(k)
      ring += [10 * cos(angle), 10 * sin(angle)]
    }
    let reference = Reference(
      heldOut: Batch(values: heap(100, 1), dimension: 2), training: Batch(values: heap(200, 2) + ring, dimension: 2))
    let copies = ring.prefix(12).map { $0 + 2e-4 }
    let samples = Batch(values: heap(94, 3) + copies, dimension: 2)
    let p = try CopyTest().evaluate(Comparison(samples: samples, reference: reference, seed: 1, threads: 2))
    #expect(p <= 0.02)
  }

  @Test("the copy test's p-values are uniform for samples of the law of the data, whatever the law")
  func size() throws {
    // Rows of few values, whose distances tie; rows of a heavy tail; ordinary ones.
    func rows(_ kind: Int, _ seed: UInt64) -> Batch {
      let normals = normalRows(60, 2, seed: seed)
      switch kind {
      case 0: return normals
      case 1: return Batch(values: normals.values.map { $0.rounded() }, dimension: 2)
      default: return Batch(values: normals.values.map { exp(2 * $0) }, dimension: 2)
      }
    }
    for kind in 0..<3 {
      let repeats = 200
      var values: [Double] = []
      for turn in 0..<repeats {
        let seed = UInt64(3 * turn)
        let reference = Reference(heldOut: rows(kind, seed + 1), training: rows(kind, seed + 2))
        let comparison = Comparison(samples: rows(kind, seed), reference: reference, seed: seed, threads: 2)
        values.append(try CopyTest().evaluate(comparison))
      }
      for level in [0.05, 0.2, 0.5] {
        let share = Double(values.count { $0 <= level }) / Double(repeats)
        let deviation = (level * (1 - level) / Double(repeats)).squareRoot()
        #expect(share <= level + 4 * deviation, "\(kind), \(level): \(share)")
      }
      // And not all of them are 1, except where ties leave nothing to tell.
      if kind != 1 { #expect(Double(values.count { $0 <= 0.5 }) / Double(repeats) > 0.5 - 4 * 0.036) }
    }
  }

  @Test("5 % of copies with noise 0.01 are found, in 2 and 8 dimensions", arguments: [(2, 1000, 20), (8, 300, 30)])
  func power(dimension: Int, rows: Int, repeats: Int) throws {
    let result = try CopyStudy.run(.normal(dimension, rows: rows), repeats: repeats)
    // `make copy-test` measures a power of 0.93 and of 1: three deviations of 20 below 0.93.
    #expect(result.power >= 0.93 - 3 * 0.057)
    let deviation = (0.05 * 0.95 / Double(repeats)).squareRoot()
    #expect(result.size <= 0.05 + 4 * deviation)
  }

  @Test("samples that keep away from training rows, or crowd about them, are told by C_T")
  func dataCopying() throws {
    let near = comparison(normalRows(500, 4, seed: 9, scale: 0.7))
    let far = comparison(normalRows(500, 4, seed: 9, scale: 1.5))
    #expect(try DataCopying().evaluate(near) < -3)
    #expect(try DataCopying().evaluate(far) > 3)
    let same = try DataCopying().evaluate(comparison(normalRows(500, 4, seed: 9)))
    #expect(abs(same) < 3)
  }

  @Test("intervals hold the mean in 95 % of draws")
  func intervals() throws {
    let training = normalRows(400, 3, seed: 5000)
    for metric in [Memorisation(), DataCopying()] as [any Metric] {
      let coverage = try coverageOfMean(metric, repeats: 200) { turn in
        Comparison(
          samples: normalRows(400, 3, seed: 2 * turn, scale: 0.9),
          reference: Reference(heldOut: normalRows(400, 3, seed: 2 * turn + 1), training: training), seed: 1, threads: 2
        )
      }
      // A share of 200 has a deviation of 1.5 % at 95 %.
      #expect(coverage > 0.95 - 4 * 0.0155, "\(metric): \(coverage)")
    }
  }

  @Test("figures are the same bytes for any number of threads")
  func threads() throws {
    let samples = normalRows(333, 5, seed: 1, scale: 0.9)
    for metric in Self.metrics {
      let one = try metric.estimate(comparison(samples, rows: 300, threads: 1))
      #expect(try metric.estimate(comparison(samples, rows: 300, threads: 3)) == one)
    }
  }

  @Test("without training rows, or with values that are not finite, there is one clear error")
  func hostile() throws {
    let rows = normalRows(50, 2, seed: 1)
    var broken = rows
    broken[7, 0] = .infinity
    for metric in Self.metrics {
      #expect(throws: InputError.self) {
        try metric.estimate(Comparison(samples: rows, heldOut: rows, seed: 1, threads: 2))
      }
      #expect(throws: InputError.self) { try metric.estimate(comparison(broken)) }
      #expect(throws: InputError.self) {
        try metric.estimate(
          Comparison(samples: rows, reference: Reference(heldOut: rows, training: broken), seed: 1, threads: 2))
      }
    }
    // One row of each; all rows equal.
    let one = Comparison(
      samples: rows.prefix(1), reference: Reference(heldOut: rows.prefix(1), training: rows.prefix(1)), seed: 1,
      threads: 2)
    #expect(try CopyTest().evaluate(one) == 1)
    #expect(try Memorisation().estimate(one).low == nil)
    #expect(throws: InputError.self) { try DataCopying().estimate(one) }
    let equal = Batch(count: 50, dimension: 2)
    let flat = Comparison(samples: equal, reference: Reference(heldOut: equal, training: equal), seed: 1, threads: 2)
    #expect(try CopyTest().evaluate(flat) == 1)
    #expect(throws: InputError.self) { try Memorisation().estimate(flat) }
    #expect(try DataCopying().evaluate(flat) == 0)
  }
}
