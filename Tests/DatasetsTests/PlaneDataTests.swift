// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Foundation
import Pairs
import Processes
import Scores
import Testing

@Suite struct PlaneDataTests {
  static func draw(_ shape: PlaneData.Shape, noise: Double = 0) throws -> Batch {
    try PlaneData(shape, noise: noise, count: 40_000, heldOut: 10).load(seed: 1).training
  }

  /// Means of 40,000 points with deviations below 1.2 have standard errors below 0.006: 5 of them.
  static func mean(_ batch: Batch, _ j: Int) -> Double {
    (0..<batch.count).reduce(0) { $0 + batch[$1, j] } / Double(batch.count)
  }

  @Test func moonsAreHalfCircles() throws {
    let x = try Self.draw(.twoMoons)
    for i in 0..<x.count {
      let (a, b) = (x[i, 0], x[i, 1])
      let upper = abs(hypot(a, b) - 1) < 1e-12 && b >= -1e-12
      let lower = abs(hypot(a - 1, b - 0.5) - 1) < 1e-12 && b <= 0.5 + 1e-12
      #expect(upper || lower)
    }
    // Half of each: ½ (0 + 1) and ½ (2/π + ½ − 2/π).
    #expect(abs(Self.mean(x, 0) - 0.5) < 0.03 && abs(Self.mean(x, 1) - 0.25) < 0.03)
  }

  @Test func theRollIsASpiral() throws {
    let x = try Self.draw(.swissRoll)
    for i in 0..<x.count {
      let radius = hypot(x[i, 0], x[i, 1])
      #expect(radius > 2.0 / 3 - 1e-12 && radius < 2 + 1e-12)
      let a = radius * 4.5 * .pi / 2
      #expect(hypot(radius * cos(a) - x[i, 0], radius * sin(a) - x[i, 1]) < 1e-12)
    }
    // The radius is uniform on [2/3, 2].
    let radius = (0..<x.count).reduce(0) { $0 + hypot(x[$1, 0], x[$1, 1]) } / Double(x.count)
    #expect(abs(radius - 4.0 / 3) < 0.03)
  }

  @Test func onlyEvenSquaresOfTheBoardAreFilled() throws {
    let x = try Self.draw(.checkerboard)
    var squares = [Int](repeating: 0, count: 16)
    for i in 0..<x.count {
      let (column, row) = (Int(floor(x[i, 0] + 2)), Int(floor(x[i, 1] + 2)))
      #expect((0..<4).contains(column) && (0..<4).contains(row) && (column + row) % 2 == 0)
      squares[4 * row + column] += 1
    }
    // Each of eight holds an eighth: 5,000 with a deviation of √(5,000 · 7/8) = 66; 5 of them.
    for count in squares where count > 0 { #expect(abs(count - 5000) < 330) }
    #expect(squares.filter { $0 > 0 }.count == 8)
  }

  /// The known law of a board has the squares that its draws fill; with noise, or another shape, none is known.
  @Test func theSquaresAreTheLawOfABoardWithoutNoise() throws {
    let source = PlaneData(.checkerboard, noise: 0)
    let law = try #require(source.boxes)
    #expect(law.weights == [Double](repeating: 0.125, count: 8))
    let x = try Self.draw(.checkerboard)
    var counts = [Int](repeating: 0, count: 8)
    for i in 0..<x.count {
      let inside = law.boxes.indices.filter { k in
        (0..<2).allSatisfy { law.boxes[k].low[$0] <= x[i, $0] && x[i, $0] <= law.boxes[k].high[$0] }
      }
      #expect(inside.count == 1)
      for k in inside { counts[k] += 1 }
    }
    #expect(counts.allSatisfy { $0 > 0 })
    #expect(PlaneData(.checkerboard, noise: 0.01).boxes == nil)
    #expect(PlaneData(.twoMoons, noise: 0).boxes == nil)
    #expect(try SeenData(source, recipes: []).boxes == law)
    #expect(source.conditionalLaw == nil)
  }

  @Test(arguments: PlaneData.Shape.allCases) func noiseIsAddedToEveryPoint(_ shape: PlaneData.Shape) throws {
    let (clean, noisy) = (try Self.draw(shape), try Self.draw(shape, noise: 0.1))
    let differences = pairs(clean.values, noisy.values).map { $1 - $0 }
    let variance = differences.reduce(0) { $0 + $1 * $1 } / Double(differences.count)
    // The variance of 80,000 normals has the relative standard error √(2/80,000) = 0.005; 5 of them.
    #expect(abs(variance / 0.01 - 1) < 0.025)
  }

  @Test func trainingAndHeldOutPointsAreOthersAndFollowTheSeed() throws {
    let source = PlaneData(.twoMoons, noise: 0.1, count: 50, heldOut: 50)
    let data = try source.load(seed: 1)
    #expect(data.training != data.heldOut)
    let (again, other) = (try source.load(seed: 1), try source.load(seed: 2))
    #expect(again.training == data.training && other.training != data.training)
  }

  @Test func mixtureDataIsDrawnFromItsLaw() throws {
    let law = try GaussianMixture(weights: [0.3, 0.7], means: [[-1, 0], [1, 2]], deviations: [0.5, 0.2])
    let source = MixtureData(law, count: 40_000, heldOut: 7)
    let data = try source.load(seed: 3)
    #expect(data.training.count == 40_000 && data.heldOut.count == 7 && source.dimension == 2 && source.law != nil)
    for j in 0..<2 { #expect(abs(Self.mean(data.training, j) - law.mean[j]) < 0.03) }
  }
}
