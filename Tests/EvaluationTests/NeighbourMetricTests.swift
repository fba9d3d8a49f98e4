// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core
import Evaluation
import Foundation
import Pairs
import Testing

@Suite("Metrics of neighbours") struct NeighbourMetricTests {
  static let metrics: [any Metric] = [
    ImprovedPrecision(), ImprovedRecall(), NeighbourDensity(), NeighbourCoverage(), VendiScore(),
  ]

  @Test("precision, recall, density, coverage and Vendi score are those of scikit-learn and NumPy")
  func fixture() throws {
    let fixture = try NeighbourFixture.read()
    let comparison = fixture.comparison()
    for (k, shares) in fixture.shares {
      let k = try #require(Int(k))
      // Shares of 45 and 70 rows, up to rounding of the division.
      #expect(abs(try ImprovedPrecision(neighbours: k).evaluate(comparison) - shares.precision) < 1e-12)
      #expect(abs(try ImprovedRecall(neighbours: k).evaluate(comparison) - shares.recall) < 1e-12)
      #expect(abs(try NeighbourDensity(neighbours: k).evaluate(comparison) - shares.density) < 1e-12)
      #expect(abs(try NeighbourCoverage(neighbours: k).evaluate(comparison) - shares.coverage) < 1e-12)
    }
    // Eigenvalues of a 45 × 45 matrix to 1e-15, small ones times their logarithm.
    #expect(abs(try VendiScore().evaluate(comparison) - fixture.vendi) < 1e-10)
  }

  @Test("the nearest rows are those of a plain search, for any counts and dimensions")
  func plainSearch() {
    for (rows, others, dimension, k) in [(1, 1, 1, 1), (7, 9, 3, 2), (8, 16, 65, 5), (17, 130, 2, 11), (9, 3, 4, 5)] {
      // Coordinates of few values, so that distances tie.
      func coarse(_ n: Int, _ seed: UInt64) -> [Double] {
        NoiseStream(seed: seed, purpose: .data).normals(count: n, dimension: dimension).values.map {
          ($0 * 2).rounded()
        }
      }
      let (x, y) = (coarse(rows, 1), coarse(others, 2))
      let stride = (others + 7) & ~7
      var transposed = [Double](repeating: 0, count: stride * dimension)
      for i in 0..<others { for j in 0..<dimension { transposed[j * stride + i] = y[i * dimension + j] } }
      for own in [-1, 0] where own < 0 || rows == others || own + rows <= others {
        var squares = [Double](repeating: 0, count: rows * k)
        var places = [Int32](repeating: 0, count: rows * k)
        ck_nearest(&squares, &places, x, rows, dimension, transposed, others, stride, k, own)
        for i in 0..<rows {
          var all: [(square: Double, place: Int)] = []
          for j in 0..<others where own < 0 || j != i {
            var square = 0.0
            for c in 0..<dimension {
              let difference = x[i * dimension + c] - y[j * dimension + c]
              square += difference * difference
            }
            all.append((square, j))
          }
          all.sort { ($0.square, $0.place) < ($1.square, $1.place) }
          for r in 0..<k {
            #expect(squares[i * k + r] == (r < all.count ? all[r].square : .infinity))
            #expect(places[i * k + r] == (r < all.count ? Int32(all[r].place) : -1))
          }
        }
      }
    }
  }

  @Test("samples that are the held-out rows lie in all balls; samples far away lie in none")
  func extremes() throws {
    let rows = normalRows(200, 3, seed: 1)
    let same = Comparison(samples: rows, heldOut: rows, seed: 1, threads: 2)
    let far = Comparison(samples: normalRows(200, 3, seed: 2, shift: 100), heldOut: rows, seed: 1, threads: 2)
    for metric in [ImprovedPrecision(), ImprovedRecall(), NeighbourCoverage()] as [any Metric] {
      let (top, bottom) = (try metric.estimate(same), try metric.estimate(far))
      #expect(top.value == 1 && bottom.value == 0)
      // Wilson's interval of 0 of 200, with Student's t of 63 degrees, as halves are 0, too.
      let square = 1.998_341 * 1.998_341
      #expect(abs(try #require(bottom.high) - (1 - 1 / (1 + square / 200))) < 1e-6)
      let (high, least) = (try #require(top.high), try #require(bottom.low))
      #expect(abs(high - 1) < 1e-12 && abs(least) < 1e-12)
      // Halves hold other rows than those of their balls, and say how many independent rows there are: some, and no
      // more than a few times all of them.
      let low = try #require(top.low)
      #expect(low > 1 / (1 + square / 20) && low < 1 / (1 + square / 1000))
    }
    #expect(try NeighbourDensity().evaluate(far) == 0)
    // Each row is in its own ball and in those of the rows whose 5 nearest it is: 6 on average.
    #expect(abs(try NeighbourDensity().evaluate(same) - 6.0 / 5) < 1e-12)
  }

  @Test("coverage of equal laws has the mean that counting orders gives")
  func coverageMean() throws {
    let (n, m, k, repeats) = (40, 60, 3, 400)
    var values: [Double] = []
    for turn in 0..<repeats {
      let (samples, heldOut) = (normalRows(n, 2, seed: UInt64(2 * turn)), normalRows(m, 2, seed: UInt64(2 * turn + 1)))
      let comparison = Comparison(samples: samples, heldOut: heldOut, seed: 1, threads: 2)
      values.append(try NeighbourCoverage(neighbours: k).evaluate(comparison))
    }
    var missed = 1.0
    for i in 0..<k { missed *= Double(m - 1 - i) / Double(n + m - 1 - i) }
    let expected = 1 - missed
    let mean = values.reduce(0, +) / Double(repeats)
    var square = 0.0
    for value in values { square += (value - mean) * (value - mean) / Double(repeats - 1) }
    // Four standard errors.
    #expect(abs(mean - expected) < 4 * (square / Double(repeats)).squareRoot())
  }

  @Test("Vendi scores of equal and of unlike rows are 1 and their number")
  func vendiExtremes() throws {
    let heldOut = normalRows(100, 2, seed: 1)
    func score(_ samples: Batch) throws -> Double {
      try VendiScore().evaluate(Comparison(samples: samples, heldOut: heldOut, seed: 1, threads: 2))
    }
    #expect(abs(try score(Batch(count: 50, dimension: 2)) - 1) < 1e-9)
    // Rows 100 deviations apart: all eigenvalues are 1/50.
    #expect(abs(try score(Batch(rows: (0..<50).map { [100 * Double($0), 0] })) - 50) < 1e-9)
    // Two groups of equal rows among 20.
    #expect(abs(try score(Batch(rows: (0..<20).map { [100 * Double($0 % 2), 0] })) - 2) < 1e-9)
    #expect(try score(Batch(count: 1, dimension: 2)) == 1)
  }

  @Test("intervals hold the mean in 95 % of draws", arguments: [2, 8])
  func intervals(dimension: Int) throws {
    for metric in Self.metrics {
      let coverage = try coverageOfMean(metric, repeats: 150) { turn in
        Comparison(
          samples: normalRows(300, dimension, seed: 2 * turn, shift: 0.5, scale: 0.8),
          heldOut: normalRows(300, dimension, seed: 2 * turn + 1), seed: turn, threads: 2)
      }
      // A share of 150 has a deviation of 1.8 % at 95 %: 4 of them below. Of half the variance it would be 83 %.
      #expect(coverage > 0.95 - 4 * 0.018, "\(metric): \(coverage)")
    }
  }

  @Test("estimates are the same bytes for any number of threads")
  func threads() throws {
    let (x, y) = (normalRows(333, 5, seed: 1, shift: 0.3), normalRows(257, 5, seed: 2))
    for metric in Self.metrics {
      let one = try metric.estimate(Comparison(samples: x, heldOut: y, seed: 1, threads: 1))
      let three = try metric.estimate(Comparison(samples: x, heldOut: y, seed: 1, threads: 3))
      #expect(one == three)
      #expect(one.low != nil)
    }
  }

  @Test("rows that no metric can judge are refused, and few rows have no interval")
  func hostile() throws {
    func comparison(_ samples: Batch, _ heldOut: Batch) -> Comparison {
      Comparison(samples: samples, heldOut: heldOut, seed: 1, threads: 2)
    }
    var broken = normalRows(20, 2, seed: 1)
    broken[3, 1] = .nan
    var huge = normalRows(20, 2, seed: 1)
    huge[4, 0] = 1e200
    let fine = normalRows(20, 2, seed: 2)
    for metric in Self.metrics {
      for (samples, heldOut) in [(broken, fine), (fine, broken), (huge, fine), (fine, huge)] {
        #expect(throws: InputError.self) { try metric.estimate(comparison(samples, heldOut)) }
      }
    }
    for metric in Self.metrics.dropLast() {
      // k neighbours need k + 1 rows.
      #expect(throws: InputError.self) { try metric.estimate(comparison(fine, fine.prefix(5))) }
      #expect(throws: InputError.self) { try metric.estimate(comparison(fine.prefix(5), fine)) }
      let few = try metric.estimate(comparison(fine.prefix(6), fine))
      #expect(few.low == nil && few.value.isFinite)
      // Equal rows: all radii are 0, and all distances.
      let equal = Batch(count: 20, dimension: 2)
      #expect(try metric.estimate(comparison(equal, equal)).value >= 1)
    }
    #expect(throws: InputError.self) { try VendiScore().estimate(comparison(fine, Batch(count: 20, dimension: 2))) }
  }
}
