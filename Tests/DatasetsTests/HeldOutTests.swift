// SPDX-License-Identifier: GPL-3.0-or-later
import Datasets
import Testing

@Suite struct HeldOutTests {
  @Test(arguments: [(2, 0.5, 1), (5, 1.0 / 6, 1), (12, 1.0 / 6, 2), (1000, 0.1667, 167), (3, 0.99, 2), (4, 0.001, 1)])
  func theShareIsExact(_ count: Int, _ share: Double, _ expected: Int) {
    let rows = HeldOut.split(count: count, share: share, seed: 1)
    #expect(rows.heldOut.count == expected)
    #expect((rows.training + rows.heldOut).sorted() == Array(0..<count))
    #expect(rows.training == rows.training.sorted() && rows.heldOut == rows.heldOut.sorted())
  }

  @Test func oneRowTrains() {
    let rows = HeldOut.split(count: 1, seed: 1)
    #expect(rows.training == [0] && rows.heldOut == [])
  }

  /// Rows in a regular order, as ten classes in turn, are held out without regard to it. Of n = 6,000 rows whose
  /// period is p, a random sixth has 1,000/p of each phase with a deviation of √(1,000/p).
  @Test(arguments: [2, 3, 6, 10]) func theOrderOfRowsDoesNotMatter(_ period: Int) {
    let rows = HeldOut.split(count: 6000, seed: 7).heldOut
    let mean = 1000 / Double(period)
    for phase in 0..<period {
      let found = Double(rows.filter { $0 % period == phase }.count)
      #expect(abs(found - mean) < 4 * mean.squareRoot())
    }
  }

  @Test func anotherSeedDrawsOtherRows() {
    let (one, two) = (HeldOut.split(count: 600, seed: 1), HeldOut.split(count: 600, seed: 2))
    #expect(one.heldOut == HeldOut.split(count: 600, seed: 1).heldOut)
    // 100 of 600 twice have 16.7 in common, with a deviation of 3.4.
    #expect(Set(one.heldOut).intersection(two.heldOut).count < 32)
  }

  @Test func everyClassHasItsShare() {
    // 60 rows of class 5, 7 of class 900, 2 of class 1, and one alone.
    let classes = (0..<70).map { $0 == 33 ? 4 : $0 % 10 == 9 ? 900 : $0 == 10 || $0 == 20 ? 1 : 5 }
    let rows = HeldOut.split(count: 70, classes: classes, seed: 3).heldOut
    let counts = Dictionary(rows.map { (classes[$0], 1) }, uniquingKeysWith: +)
    #expect(counts == [5: 10, 900: 1, 1: 1])
    // Other names of the classes, in another order, hold out the same rows.
    let renamed = classes.map { 1000 - $0 }
    #expect(HeldOut.split(count: 70, classes: renamed, seed: 3).heldOut == rows)
  }

  @Test func rowsThatAreAllAloneAreDrawnAsIfWithoutClasses() {
    let rows = HeldOut.split(count: 12, classes: Array(0..<12), seed: 1)
    #expect(rows.heldOut.count == 2 && rows.heldOut == HeldOut.split(count: 12, seed: 1).heldOut)
  }
}
