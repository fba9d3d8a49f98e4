// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Scores
import Testing

@Suite("A mixture that is fitted to the digits") struct DigitsMixtureTests {
  @Test("its mean and covariance are those of the digits, but for the noise of every pixel") func moments() throws {
    let data = try MixtureData.digits(count: 10, heldOut: 10)
    let law = try #require(data.law).mixture
    #expect(data.imageShape == ImageShape(height: 8, width: 8, channels: 1) && law.componentCount == 10)
    let digits = try Digits().load(seed: 1)
    let (rows, labels) = (digits.training, try #require(digits.trainingConditions.listedClasses))
    let n = rows.count
    var mean = [Double](repeating: 0, count: 64)
    for i in 0..<n { for j in 0..<64 { mean[j] += rows[i, j] / Double(n) } }
    #expect((0..<64).allSatisfy { abs(law.mean[$0] - mean[$0]) < 1e-12 })
    // Halves of a class's own covariance and of all classes' about their means add up to the latter, which divides each
    // class's squares by its rows less one; between classes lie the means.
    let covariance: [[Double]] = law.covariance
    for (i, j) in [(10, 10), (10, 19), (33, 37), (20, 20)] {
      var expected: Double = i == j ? 0.02 : 0
      for k in 0..<10 {
        let own = (0..<n).filter { labels[$0] == k }.map { rows.row($0) }
        let count = Double(own.count)
        var (a, b, product) = (0.0, 0.0, 0.0)
        for row in own { (a, b) = (a + row[row.startIndex + i] / count, b + row[row.startIndex + j] / count) }
        for row in own { product += (row[row.startIndex + i] - a) * (row[row.startIndex + j] - b) }
        let within: Double = product / (count - 1)
        let between: Double = (a - mean[i]) * (b - mean[j])
        expected += count / Double(n) * (within + between)
      }
      #expect(abs(covariance[i][j] - expected) < 1e-10, "\(i) \(j)")
    }
  }

  @Test("in colour a digit has one of three inks; classes are those of the digits") func colours() throws {
    let (gray, coloured) = (
      try #require(MixtureData.digits().law).mixture,
      try MixtureData.digits(isColoured: true, hasClasses: true, count: 60)
    )
    let law = try #require(coloured.law).mixture
    #expect(coloured.imageShape?.channels == 3 && law.componentCount == 30 && coloured.conditionShape == .classes(10))
    for k in [0, 17, 29] {
      for pixel in [11, 36] {
        // −1 + h (x + 1): the channels of all pixels have one proportion.
        let white = gray.means[k % 10, pixel] + 1
        let channels = (0..<3).map { law.means[k, 3 * pixel + $0] + 1 }
        let ink = [[1, 0.2, 0.2], [0.2, 0.8, 0.2], [0.3, 0.4, 1]][k / 10]
        #expect((0..<3).allSatisfy { abs(channels[$0] - ink[$0] * white) < 1e-12 })
      }
    }
    let labels = try #require(coloured.load(seed: 3).trainingConditions.listedClasses)
    #expect(Set(labels).count == 10)
  }
}
