// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Pairs
import Testing

@Suite struct CoupledPathTests {
  /// Increments W(s) − W(t) over a grid of times, one array of rows × dimension per step.
  static func increments(_ path: CoupledPath, _ times: [Double], rows: RowSpan) -> [[Double]] {
    let walker = path.makeWalker(for: rows)
    let storage = RowStorage(rows)
    defer { withExtendedLifetime(storage) {} }
    let z = storage.rows
    return zip(times, times.dropFirst()).enumerated().map { step, ends in
      walker.increment(from: ends.0, to: ends.1, step: step, into: z)
      let root = abs(ends.1 - ends.0).squareRoot()
      return (0..<z.size).map { root * z.values[$0] }
    }
  }

  static func grid(_ steps: Int) -> [Double] { (0...steps).map { 1 - Double($0) / Double(steps) } }

  @Test(arguments: [1, 2, 4, 8]) func coarseIncrementsAreSumsOfFineOnes(_ factor: Int) {
    let rows = RowSpan(first: 0, count: 10, dimension: 3)
    let path = CoupledPath(seed: 1, duration: 1, depth: CoupledPath.depth(for: 64))
    let fine = Self.increments(path, Self.grid(64), rows: rows)
    let coarse = Self.increments(path, Self.grid(64 / factor), rows: rows)
    for (step, increment) in coarse.enumerated() {
      for i in increment.indices {
        let sum = (step * factor..<(step + 1) * factor).reduce(0) { $0 + fine[$1][i] }
        // Each is a difference of values of size 1: a few roundings of 2e-16 each.
        #expect(abs(increment[i] - sum) < 1e-14)
      }
    }
  }

  @Test(arguments: [30, 100]) func gridsThatAreNotDyadicShareTheirTimesToo(_ steps: Int) {
    let rows = RowSpan(first: 0, count: 4, dimension: 2)
    let path = CoupledPath(seed: 2, duration: 1, depth: CoupledPath.depth(for: steps))
    let fine = Self.increments(path, Self.grid(steps), rows: rows)
    let coarse = Self.increments(path, Self.grid(steps / 10), rows: rows)
    for (step, increment) in coarse.enumerated() {
      for i in increment.indices {
        let sum = (10 * step..<10 * (step + 1)).reduce(0) { $0 + fine[$1][i] }
        // The grids' times differ by roundings δ of 1e-16, and W by the root of it times its cell's share: √1e-16.
        #expect(abs(increment[i] - sum) < 1e-7)
      }
    }
  }

  @Test func aGridsDepthFollowsItsShortestStep() {
    for steps in [1, 2, 30, 64, 1000] {
      #expect(CoupledPath.depth(for: Self.grid(steps), duration: 1) == CoupledPath.depth(for: steps))
    }
    // 1/1000 = 1/2^9.97; 1e-20 would ask for 69 levels.
    #expect(CoupledPath.depth(for: [1, 0.5, 0.002, 0.001], duration: 1) == 12)
    #expect(CoupledPath.depth(for: [1, 2e-20, 1e-20], duration: 1) == 48)
  }

  @Test(arguments: [7, 16, 50]) func incrementsAreIndependentStandardNormals(_ steps: Int) {
    let count = 20_000
    let rows = RowSpan(first: 0, count: count, dimension: 1)
    let path = CoupledPath(seed: 3, duration: 1, depth: CoupledPath.depth(for: steps))
    let z = Self.increments(path, Self.grid(steps), rows: rows).map { step in
      step.map { $0 * Double(steps).squareRoot() }
    }
    let n = Double(count)
    for a in 0..<steps {
      // Standard errors 1/√n of a mean and a product, √(2/n) of a variance; 5 of them, as there are up to 1,300 checks.
      #expect(abs(z[a].reduce(0, +) / n) < 5 / n.squareRoot())
      #expect(abs(z[a].reduce(0) { $0 + $1 * $1 } / n - 1) < 5 * (2 / n).squareRoot())
      for b in 0..<a {
        #expect(abs(pairs(z[a], z[b]).reduce(0) { $0 + $1.0 * $1.1 } / n) < 5 / n.squareRoot(), "steps \(a), \(b)")
      }
    }
  }

  @Test func orderOfQuestionsDoesNotMatter() {
    let rows = RowSpan(first: 5, count: 3, dimension: 3)
    let path = CoupledPath(seed: 4, duration: 2, depth: 9)
    let times = (0...40).map { 2 - Double($0) * 0.05 }
    let sequential = Self.increments(path, times, rows: rows)
    let walker = path.makeWalker(for: rows)
    let storage = RowStorage(rows)
    defer { withExtendedLifetime(storage) {} }
    let z = storage.rows
    // 17 is prime to 40: all steps, far apart.
    for k in 0..<40 {
      let i = k * 17 % 40
      walker.increment(from: times[i], to: times[i + 1], step: 0, into: z)
      let root = (times[i] - times[i + 1]).squareRoot()
      #expect((0..<z.size).allSatisfy { root * z.values[$0] == sequential[i][$0] })
    }
  }

  @Test func aRowsPathDoesNotDependOnItsBlock() {
    let path = CoupledPath(seed: 5, duration: 1, depth: 8)
    let all = Self.increments(path, Self.grid(20), rows: RowSpan(first: 0, count: 12, dimension: 2))
    let some = Self.increments(path, Self.grid(20), rows: RowSpan(first: 7, count: 2, dimension: 2))
    for step in 0..<20 { #expect(some[step] == Array(all[step][14..<18])) }
  }

  @Test(arguments: [1, 2, 3, 5, 64, 65, 1000]) func depthGivesEveryStepThreeCells(_ steps: Int) {
    #expect(1 << CoupledPath.depth(for: steps) >= 3 * steps)
  }

  /// Normalised increments and areas of each step.
  static func areas(_ path: any BrownianPath, _ times: [Double], rows: RowSpan) -> [(z: [Double], area: [Double])] {
    let walker = path.makeWalker(for: rows)
    let storages = (RowStorage(rows), RowStorage(rows))
    defer { withExtendedLifetime(storages) {} }
    let (z, area) = (storages.0.rows, storages.1.rows)
    return zip(times, times.dropFirst()).enumerated().map { step, ends in
      walker.increment(from: ends.0, to: ends.1, step: step, into: z, area: area)
      return ((0..<z.size).map { z.values[$0] }, (0..<z.size).map { area.values[$0] })
    }
  }

  @Test(arguments: [true, false], [7, 16]) func areasAreStandardNormalsIndependentOfAllElse(coupled: Bool, _ steps: Int)
  {
    let count = 20_000
    let path: any BrownianPath =
      coupled ? CoupledPath(seed: 3, duration: 1, depth: CoupledPath.depth(for: steps)) : IndependentPath(seed: 3)
    let draws = Self.areas(path, Self.grid(steps), rows: RowSpan(first: 0, count: count, dimension: 1))
    let all = draws.map(\.z) + draws.map(\.area)
    let n = Double(count)
    for a in all.indices {
      // As above: 5 standard errors, for some 500 checks.
      #expect(abs(all[a].reduce(0, +) / n) < 5 / n.squareRoot())
      #expect(abs(all[a].reduce(0) { $0 + $1 * $1 } / n - 1) < 5 * (2 / n).squareRoot(), "\(a)")
      for b in 0..<a {
        #expect(abs(pairs(all[a], all[b]).reduce(0) { $0 + $1.0 * $1.1 } / n) < 5 / n.squareRoot(), "\(a), \(b)")
      }
    }
  }

  /// Each step of a grid reads the root of the tree through a share of it alone: the whole interval as one step does
  /// not.
  @Test(arguments: [1, 6, CoupledPath.depthOfAnySteps]) func theWholePathHasItsOwnAreaAndIncrement(depth: Int) {
    let count = 40_000
    let draw = Self.areas(
      CoupledPath(seed: 9, duration: 2, depth: depth), [2, 0], rows: RowSpan(first: 0, count: count, dimension: 1))[0]
    let n = Double(count)
    let square = { (values: [Double]) in values.reduce(0) { $0 + $1 * $1 } / n }
    // Five standard errors of a variance are 3.5 %; with T/11 in place of T/12 the area would have 12/11.
    #expect(abs(square(draw.z) - 1) < 5 * (2 / n).squareRoot())
    #expect(abs(square(draw.area) - 1) < 5 * (2 / n).squareRoot())
    #expect(abs(pairs(draw.z, draw.area).reduce(0) { $0 + $1.0 * $1.1 } / n) < 5 / n.squareRoot())
  }

  /// Rows whose cells would take too much memory are walked down one after the other, to the same numbers.
  @Test func wideRowsHaveThePathsOfNarrowOnes() {
    let (count, dimension) = (8, 12_000)
    let path = CoupledPath(seed: 5, duration: 1, depth: CoupledPath.depthOfAnySteps)
    let times = [1, 0.75, 0.7, 0.1]
    let wide = Self.areas(path, times, rows: RowSpan(first: 4, count: count, dimension: dimension))
    for row in [0, 3, 7] {
      let one = Self.areas(path, times, rows: RowSpan(first: 4 + row, count: 1, dimension: dimension))
      for step in 0..<3 {
        let part = row * dimension..<(row + 1) * dimension
        #expect(one[step].z == Array(wide[step].z[part]) && one[step].area == Array(wide[step].area[part]))
      }
    }
  }

  @Test func areasOfCoarseStepsFollowFromFineOnes() {
    // Chen's relation: ∫ over two steps of W − W_t is the sum of both and h₂ times the first increment.
    let rows = RowSpan(first: 0, count: 8, dimension: 2)
    let path = CoupledPath(seed: 5, duration: 1, depth: CoupledPath.depth(for: 32))
    let fine = Self.areas(path, Self.grid(32), rows: rows)
    let coarse = Self.areas(path, Self.grid(16), rows: rows)
    /// ∫ (W − W_t) over a step of length h.
    func integral(_ draw: (z: [Double], area: [Double]), _ i: Int, _ h: Double) -> Double {
      h * h.squareRoot() * (draw.z[i] / 2 + draw.area[i] / 12.0.squareRoot())
    }
    for step in 0..<16 {
      let h = 1.0 / 32
      for i in 0..<16 {
        let (first, second) = (fine[2 * step], fine[2 * step + 1])
        let sum = integral(first, i, h) + integral(second, i, h) + h * h.squareRoot() * first.z[i]
        // Differences of integrals of size 1.
        #expect(abs(integral(coarse[step], i, 2 * h) - sum) < 1e-14)
      }
    }
  }

  @Test func treesOfAnyDepthAgreeAtTheirNodes() {
    let rows = RowSpan(first: 3, count: 5, dimension: 3)
    let draws = [6, 9, CoupledPath.depthOfAnySteps].map {
      Self.areas(CoupledPath(seed: 6, duration: 2, depth: $0), [2, 1.5, 0.875, 0.25], rows: rows)
    }
    for step in 0..<3 {
      for other in draws.dropFirst() {
        for i in 0..<15 {
          // The same nodes, met on other ways down: roundings, times √12/h of an area.
          #expect(abs(draws[0][step].z[i] - other[step].z[i]) < 1e-13)
          #expect(abs(draws[0][step].area[i] - other[step].area[i]) < 1e-12)
        }
      }
    }
  }
}
