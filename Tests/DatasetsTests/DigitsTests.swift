// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Testing

@Suite struct DigitsTests {
  @Test func everySixthDigitIsHeldOut() throws {
    let digits = Digits()
    let data = try digits.load(seed: 1)
    #expect(data.training.count == 1498 && data.heldOut.count == 299)
    #expect(digits.dimension == 64 && data.training.dimension == 64 && digits.imageShape?.count == 64)
    // The first row of the file, a 0: 0, 0, 5, 13, 9, 1, 0, 0.
    #expect(Array(data.training.row(0).prefix(8)) == [0, 0, 5, 13, 9, 1, 0, 0].map { $0 / 8 - 1 })
  }

  @Test func labelsAreTheLastColumn() throws {
    let data = try Digits().load(seed: 1)
    let training = try #require(data.trainingConditions.listedClasses)
    let heldOut = try #require(data.heldOutConditions.listedClasses)
    #expect(Digits().conditionShape == .classes(10))
    #expect(training.count == 1498 && heldOut.count == 299)
    // The file begins 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1; rows 5 and 11 are held out.
    #expect(Array(training.prefix(10)) == [0, 1, 2, 3, 4, 6, 7, 8, 9, 0])
    #expect(Array(heldOut.prefix(2)) == [5, 1])
    #expect(Set(training) == Set(0...9) && Set(heldOut) == Set(0...9))
  }

  @Test func pixelsAreSixteenthsBetweenMinusOneAndOne() throws {
    let data = try Digits().load(seed: 1)
    let all = data.training.values + data.heldOut.values
    // v/8 − 1 is exact for integers v.
    #expect(all.allSatisfy { (8 * ($0 + 1)) == (8 * ($0 + 1)).rounded() && abs($0) <= 1 })
    #expect(all.min() == -1 && all.max() == 1)
  }

  @Test func theSeedDoesNotMatter() throws {
    let (one, two) = (try Digits().load(seed: 1), try Digits().load(seed: 2))
    #expect(one.heldOut == two.heldOut && one.training == two.training)
  }
}
