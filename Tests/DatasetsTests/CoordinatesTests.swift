// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Foundation
import Pairs
import Processes
import Scores
import Testing

/// Squares each value and doubles how many there are: y = (x³, −x³) has no determinant.
private struct Doubled: Coordinates {
  func dimension(of dimension: Int) -> Int { 2 * dimension }

  func encode(_ x: Rows, into y: Rows, from stream: NoiseStream?, step: Int) throws {
    for row in 0..<x.count {
      for j in 0..<x.dimension {
        y[row, j] = x[row, j] * x[row, j] * x[row, j]
        y[row, x.dimension + j] = -y[row, j]
      }
    }
  }

  func decode(_ y: Rows, into x: Rows) {
    for row in 0..<x.count { for j in 0..<x.dimension { x[row, j] = cbrt(y[row, j]) } }
  }

  func addLogDeterminant(_ y: Rows, to out: UnsafeMutablePointer<Double>) -> Bool { false }
}

private func mean(_ values: [Double]) -> Double { values.reduce(0, +) / Double(values.count) }
private func meanSquare(_ values: [Double]) -> Double { mean(values.map { $0 * $0 }) }

@Suite struct CoordinatesTests {
  /// Positive rows of three columns of very different size.
  static let rows: Batch = {
    let normals = NoiseStream(seed: 3, purpose: .data).normals(count: 50, dimension: 3)
    return Batch(
      rows: (0..<50).map { [exp(normals[$0, 0]), 1000 + 0.5 * normals[$0, 1], 1e-3 * exp(0.3 * normals[$0, 2])] })
  }()

  static let maps: [any Coordinates] = {
    let standardise = Standardise(means: [1, 1000, 2e-3], deviations: [2, 0.5, 1e-3])
    let logarithms = Standardise(means: [0, 6.9078, -6.9], deviations: [1, 5e-4, 0.3])
    return [
      Logarithm(), standardise, Dequantise(Quantisation(levels: 5)), Chain([Logarithm(), logarithms], dimension: 3),
      Chain([standardise, Standardise(means: [1, 2, 3], deviations: [0.1, 7, 2])], dimension: 3),
      Chain(
        [Logarithm(), logarithms, Cube(), Standardise(means: [1, 2, 3], deviations: [0.5, 7, 2])], dimension: 3),
      Chain([], dimension: 3),
    ]
  }()

  /// y = x³ + x, with all its derivatives.
  struct Cube: ElementwiseCoordinates {
    func encode(_ x: Rows, into y: Rows, from stream: NoiseStream?, step: Int) throws {
      for i in 0..<x.size { y.values[i] = x.values[i] * (x.values[i] * x.values[i] + 1) }
    }

    func decode(_ y: Rows, into x: Rows) {
      for i in 0..<y.size {
        let value = y.values[i]
        var root = cbrt(value)
        // Newton's steps: the function is convex on either side of 0.
        for _ in 0..<100 { root -= (root * (root * root + 1) - value) / (3 * root * root + 1) }
        x.values[i] = root
      }
    }

    func addLogDeterminant(_ y: Rows, to out: UnsafeMutablePointer<Double>) -> Bool {
      RowStorage.with(y.span, count: 1) { x in
        decode(y, into: x[0])
        for row in 0..<y.count {
          for j in 0..<y.dimension { out[row] += log(3 * x[0][row, j] * x[0][row, j] + 1) }
        }
      }
      return true
    }

    /// e = 1/(3x² + 1), k = −6x e², dk/dy = −6 e³ + 72 x² e⁴
    func writeDerivatives(_ y: Rows, of x: Rows, slope e: Rows, logSlope k: Rows, curvature: Rows) {
      RowStorage.with(y.span, count: 1) { rows in
        decode(y, into: rows[0])
        for i in 0..<y.size {
          let x = rows[0].values[i]
          let slope = 1 / (3 * x * x + 1)
          e.values[i] = slope
          k.values[i] = -6 * x * slope * slope
          curvature.values[i] = -6 * slope * slope * slope + 72 * x * x * slope * slope * slope * slope
        }
      }
    }
  }

  @Test(arguments: maps.indices) func theWayBackEndsWhereItBegan(_ index: Int) throws {
    let map = Self.maps[index]
    // Without a stream nothing is drawn.
    let there = try map.encoded(Self.rows, from: nil, step: 0)
    let back = map.decoded(there, dimension: 3)
    // A few roundings of the largest number in between: 1000 in 0.5 takes 2000 · 2⁻⁵³ off the coordinate.
    for i in 0..<Self.rows.values.count { #expect(abs(back.values[i] / Self.rows.values[i] - 1) < 1e-11) }

  }

  @Test(arguments: maps.indices) func inPlaceIsTheSame(_ index: Int) throws {
    let map = Self.maps[index]
    var rows = Self.rows
    let stream = NoiseStream(seed: 5, purpose: .dequantisation)
    try rows.withRows { try map.encode($0, into: $0, from: stream, step: 2) }
    #expect(try rows == map.encoded(Self.rows, from: stream, step: 2))
    let decoded = map.decoded(rows, dimension: 3)
    rows.withRows { map.decode($0, into: $0) }
    #expect(rows == decoded)
  }

  @Test(arguments: maps.indices) func determinantsAreThoseOfFiniteDifferences(_ index: Int) throws {
    let map = Self.maps[index]
    var y = try map.encoded(Self.rows, from: nil, step: 0)
    var sums = [Double](repeating: 0.25, count: 50)
    let isKnown = y.withRows { rows in
      sums.withUnsafeMutableBufferPointer { map.addLogDeterminant(rows, to: $0.baseAddress!) }
    }
    #expect(isKnown)
    for row in 0..<50 {
      var expected = 0.25
      for j in 0..<3 {
        // Every map here changes each value by itself: the determinant is the product of slopes.
        let h = 1e-5 * Self.rows[row, j] * (j == 1 ? 1e-3 : 1)
        var ends: [Double] = []
        for sign in [1.0, -1] {
          var x = Batch(rows: [Array(Self.rows.row(row))])
          x[0, j] += sign * h
          ends.append(try map.encoded(x, from: nil, step: 0)[0, j])
        }
        expected += log((ends[0] - ends[1]) / (2 * h))
      }
      // Differences are right to h² times third derivatives, below 1e-8, and to rounding, 1000 · 2⁻⁵³/1e-5 = 1e-8.
      #expect(abs(sums[row] - expected) < 1e-6)
    }
  }

  @Test(arguments: maps.indices) func derivativesAreThoseOfFiniteDifferences(_ index: Int) throws {
    let map = try #require(Self.maps[index].elementwise)
    let y = try map.encoded(Self.rows, from: nil, step: 0)
    func derivatives(_ y: Batch) -> (e: Batch, k: Batch, c: Batch) {
      var (y, e, k, c) = (y, y, y, y)
      y.withRows { y in
        e.withRows { e in
          k.withRows { k in
            c.withRows { c in
              RowStorage.with(y.span, count: 1) { x in
                map.decode(y, into: x[0])
                map.writeDerivatives(y, of: x[0], slope: e, logSlope: k, curvature: c)
              }
            }
          }
        }
      }
      return (e, k, c)
    }
    let h = 1e-5
    var (up, down) = (y, y)
    for i in y.values.indices {
      up.values[i] += h
      down.values[i] -= h
    }
    let (here, above, below) = (derivatives(y), derivatives(up), derivatives(down))
    let (right, left) = (map.decoded(up, dimension: 3), map.decoded(down, dimension: 3))
    for i in y.values.indices {
      let (e, k, c) = (here.e.values[i], here.k.values[i], here.c.values[i])
      #expect(e > 0)
      // Central differences: relative to h² times the third derivative over the first, here of order 1 to 100, and to
      // rounding of x, 2⁻⁵³ x/(h e), below 1e-7.
      let slope = (right.values[i] - left.values[i]) / (2 * h)
      let logSlope = log(above.e.values[i] / below.e.values[i]) / (2 * h)
      let curvature = (above.k.values[i] - below.k.values[i]) / (2 * h)
      #expect(abs(slope / e - 1) < 1e-6)
      #expect(abs(logSlope - k) < 1e-6 * (1 + abs(k)))
      #expect(abs(curvature - c) < 1e-6 * (1 + abs(c)))
    }
  }

  @Test func standardisedColumnsHaveMeanZeroAndDeviationOne() throws {
    let map = try Standardise(fitting: Self.rows, perColumn: true)
    let y = try map.encoded(Self.rows, from: nil, step: 0)
    for j in 0..<3 {
      let column = (0..<50).map { y[$0, j] }
      #expect(abs(mean(column)) < 1e-12)
      // The column at 1000 is rounded to 1e-13, which is 2e-13 deviations.
      #expect(abs(meanSquare(column) - 1) < 1e-11)
    }
    let whole = try Standardise(fitting: Self.rows, perColumn: false)
    #expect(Set(whole.means).count == 1 && Set(whole.deviations).count == 1)
    let all = try whole.encoded(Self.rows, from: nil, step: 0).values
    #expect(abs(mean(all)) < 1e-12)
    #expect(abs(meanSquare(all) - 1) < 1e-12)
  }

  @Test func constantColumnsAreOnlyShifted() throws {
    let rows = Batch(rows: [[0.1, 1], [0.1, 3], [0.1, 5]])
    let map = try Standardise(fitting: rows, perColumn: true)
    #expect(map.deviations[0] == 1)
    #expect(abs(map.deviations[1] - (8.0 / 3).squareRoot()) < 1e-15)
    #expect(throws: InputError.self) { try Standardise(fitting: Batch(rows: [[.infinity]]), perColumn: true) }
  }

  @Test func dequantisedRowsFillTheCellsAndAreKeyedByRowAndStep() throws {
    let levels = Quantisation(levels: 17)
    let map = Dequantise(levels)
    let rows = Batch(rows: (0..<2000).map { [Double($0 % 17) / 8 - 1, 0] })
    let stream = NoiseStream(seed: 1, purpose: .dequantisation)
    let noisy = try map.encoded(rows, from: stream, step: 0)
    // A likelihood's dequantisation draws the same numbers.
    #expect(noisy == levels.dequantised(rows, seed: 1))
    let offsets = pairs(noisy.values, rows.values).map { ($0 - $1) / levels.spacing }
    #expect(offsets.allSatisfy { $0 >= -0.5 && $0 <= 0.5 })
    // The mean of 4000 uniforms has deviation 1/√(12 · 4000) = 0.0046, the mean square 1/√(180 · 4000) = 0.0012.
    #expect(abs(mean(offsets)) < 0.0184)
    #expect(abs(meanSquare(offsets) - 1.0 / 12) < 0.0048)
    #expect(try map.encoded(rows, from: stream, step: 1) != noisy)
    #expect(try map.encoded(rows, from: nil, step: 0) == rows)
    // The same bytes for any split into shards.
    for size in [1, 7, 256] {
      var (parts, whole) = (noisy, rows)
      try whole.withRows { all in
        try parts.withRows { out in
          for start in stride(from: 0, to: 2000, by: size) {
            let range = start..<min(2000, start + size)
            try map.encode(all[range], into: out[range], from: stream, step: 3)
          }
        }
      }
      #expect(try parts == map.encoded(rows, from: stream, step: 3))
    }
  }

  @Test(arguments: [0.3, 1.125, -1.125]) func valuesOffTheLevelsAreRefused(_ value: Double) throws {
    let map = Dequantise(Quantisation(levels: 17))
    try map.check(Batch(rows: [[-1, 0.125], [1, 0]]))
    let error = #expect(throws: InputError.self) { try map.check(Batch(rows: [[-1, 0.125], [value, 0]])) }
    #expect(error?.message.contains("row 2 holds \(value)") == true)
  }

  @Test func chainsOfOtherDimensionsFindTheirWayBack() throws {
    let chain = Chain([Standardise(means: [1, 2, 3], deviations: [1, 2, 4]), Doubled(), Doubled()], dimension: 3)
    #expect(chain.dimension(of: 3) == 12 && chain.elementwise == nil)
    let y = try chain.encoded(Self.rows, from: nil, step: 0)
    #expect(y.dimension == 12)
    let back = chain.decoded(y, dimension: 3)
    // Cube roots of cubes.
    for (a, b) in pairs(back.values, Self.rows.values) { #expect(abs(a - b) < 1e-10 * (1 + b)) }
    var (rows, sums) = (y, [Double](repeating: 0, count: 50))
    let isKnown = rows.withRows { rows in
      sums.withUnsafeMutableBufferPointer { chain.addLogDeterminant(rows, to: $0.baseAddress!) }
    }
    #expect(!isKnown)
  }

  @Test func fittedNumbersReadBackExactly() throws {
    let map = try Standardise(fitting: Self.rows, perColumn: true)
    let numbers = [[], map.fitted, [17, -1, 1]]
    let read = try FittedNumbers.read(FittedNumbers.text(of: numbers))
    #expect(read == numbers)
    #expect(throws: InputError.self) { try FittedNumbers.read("1 x\n") }
    let data = MixtureData(try GaussianMixture(weights: [1], means: [[0, 0, 0]], deviations: [1]))
    let levels = try Dequantise(fitted: [17, -1, 1]).levels
    let again = try StandardiseRecipe().restore(map.fitted, of: data)
    #expect(again.fitted == map.fitted)
    #expect(throws: InputError.self) { try StandardiseRecipe().restore([1, 2], of: data) }
    #expect(throws: InputError.self) { try StandardiseRecipe().restore([1, 2, 3, 1, 0, 1], of: data) }
    #expect(levels == Quantisation(levels: 17))
    #expect(throws: InputError.self) { try Dequantise(fitted: [1, -1, 1]) }
  }
}
