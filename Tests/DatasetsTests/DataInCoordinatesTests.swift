// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Foundation
import Pairs
import Processes
import Scores
import Testing

@Suite struct DataInCoordinatesTests {
  /// Isotropic, diagonal and full covariances.
  static let covariances: [[[[Double]]]] = [
    [[[0.25, 0], [0, 0.25]], [[0.49, 0], [0, 0.49]]], [[[0.3, 0], [0, 2]], [[1, 0], [0, 0.5]]],
    [[[0.3, 0.2], [0.2, 2]], [[1, -0.4], [-0.4, 0.5]]],
  ]

  /// log p(x) of a mixture, through its score under VP at t = 0.
  private func logDensities(_ mixture: GaussianMixture, _ points: Batch) throws -> [Double] {
    var (points, densities) = (points, [Double](repeating: 0, count: points.count))
    let score = mixture.score(under: VPSDE())
    try points.withRows { rows in
      let evaluator = try score.makeEvaluator(for: rows.span)
      try densities.withUnsafeMutableBufferPointer {
        try evaluator.logDensity(rows, at: .all(0), into: $0.baseAddress!)
      }
    }
    return densities
  }

  @Test(arguments: covariances.indices, [StandardiseRecipe.Sharing.column, .all])
  func aStandardisedMixtureIsOne(_ index: Int, _ sharing: StandardiseRecipe.Sharing) throws {
    let mixture = try GaussianMixture(
      weights: [1, 2], means: [[998, 0.1], [1003, 0.3]], covariances: Self.covariances[index])
    let source = MixtureData(mixture, count: 300, heldOut: 100)
    let data = try DataInCoordinates(source, recipes: [StandardiseRecipe(per: sharing)], seed: 1)
    let law = try #require(data.law)
    #expect(!law.isExponential)
    // log p(x) = log p(y) + ln |det|, for the same points.
    let inside = try logDensities(law.mixture, data.seen.heldOut)
    let outside = try logDensities(mixture, data.dataset.heldOut)
    let determinants = try data.logDeterminants(data.seen.heldOut)
    for i in 0..<100 {
      // x at 1000 is rounded to 1e-13, and the gradient of log p is below 1e2 here.
      #expect(abs(inside[i] + determinants[i] - outside[i]) < 1e-9)
    }
    let back = data.decoded(data.seen.heldOut)
    for (a, b) in pairs(back.values, data.dataset.heldOut.values) { #expect(abs(a - b) < 1e-9) }
  }

  @Test func theDensityOfStandardisedDataIntegratesToOne() throws {
    let mixture = try GaussianMixture(weights: [1, 2], means: [[998], [1003]], deviations: [0.5, 0.7])
    let data = try DataInCoordinates(
      MixtureData(mixture, count: 300, heldOut: 100), recipes: [StandardiseRecipe()], seed: 1)
    // The trapezoidal rule on ±9 deviations converges beyond all powers of the step for a smooth density.
    let step = 0.02
    let grid = Batch(values: (0...1100).map { 990 + step * Double($0) }, dimension: 1)
    let y = try data.encoded(grid)
    let law = try #require(data.law)
    let (inside, determinants) = (try logDensities(law.mixture, y), try data.logDeterminants(y))
    let densities = pairs(inside, determinants).map { exp($0 + $1) }
    let integral = densities.reduce(0, +) * step
    #expect(abs(integral - 1) < 1e-10)
  }

  @Test func logarithmsOfExponentialsAreTheMixture() throws {
    let mixture = try GaussianMixture(weights: [1, 2], means: [[-1, -0.6], [0.5, 0.3]], deviations: [0.3, 0.5])
    let source = MixtureData(mixture, exponential: true, count: 30, heldOut: 10)
    let data = try DataInCoordinates(source, recipes: [FixedCoordinates(Logarithm())], seed: 1)
    #expect(data.law?.isExponential == false && data.law?.mixture.means == mixture.means)
    let plain = try MixtureData(mixture, count: 30, heldOut: 10).load(seed: 1)
    for (a, b) in pairs(data.seen.training.values, plain.training.values) { #expect(abs(a - b) < 1e-14 * 10) }
    // Draws that may be negative have no logarithms, so the moments are not known.
    let error = #expect(throws: InputError.self) {
      try DataInCoordinates(MixtureData(mixture), recipes: [FixedCoordinates(Logarithm())], seed: 1)
    }
    #expect(error?.location == "coordinates" && error?.message.contains("needs values above 0") == true)
    // A standardised logarithm is known too, a logarithm of standardised data is not.
    let both = try DataInCoordinates(
      source, recipes: [FixedCoordinates(Logarithm()), StandardiseRecipe()], seed: 1)
    #expect(both.law != nil)
    #expect(try DataInCoordinates(source, recipes: [StandardiseRecipe()], seed: 1).law == nil)
  }

  @Test func withoutMapsNothingChanges() throws {
    let source = PlaneData(.twoMoons, noise: 0.1, count: 50, heldOut: 20)
    let data = try DataInCoordinates(source, recipes: [], seed: 1)
    #expect(data.seen.training == data.dataset.training && data.coordinates == nil && data.fitted == nil)
    #expect(try data.encoded(data.dataset.heldOut) == data.dataset.heldOut)
    #expect(try data.logDeterminants(data.dataset.heldOut) == [Double](repeating: 0, count: 20))
  }

  @Test func digitsAreDequantisedThenStandardised() throws {
    let data = try DataInCoordinates(Digits(), recipes: [DequantiseRecipe(), StandardiseRecipe()], seed: 1)
    #expect(data.coordinates?.levels == Quantisation(levels: 17))
    // Images share one mean and one deviation: those of the noisy training rows.
    let values = data.seen.training.values
    let mean = values.reduce(0, +) / Double(values.count)
    #expect(abs(mean) < 1e-10)
    let square = values.reduce(0) { $0 + $1 * $1 } / Double(values.count)
    #expect(abs(square - 1) < 1e-10)
    #expect(data.seen.trainingConditions == data.dataset.trainingConditions)
    // The held-out rows are within half a spacing of their levels, and not on them.
    let back = data.decoded(data.seen.heldOut)
    let offsets = pairs(back.values, data.dataset.heldOut.values).map { abs($0 - $1) }
    let largest = try #require(offsets.max())
    #expect(largest <= 0.0625 + 1e-12)
    #expect(largest > 0.06)
    // Fitted again and restored, it is the same.
    let again = try DataInCoordinates(
      Digits(), recipes: [DequantiseRecipe(), StandardiseRecipe()],
      fitted: FittedNumbers.read(FittedNumbers.text(of: data.fitted!)), seed: 1)
    #expect(again.seen.heldOut == data.seen.heldOut)
    #expect(throws: InputError.self) {
      try DataInCoordinates(PlaneData(.twoMoons, noise: 0), recipes: [DequantiseRecipe()], seed: 1)
    }
  }

  @Test func trainingDrawsAreFreshInEveryStepAndRow() throws {
    let data = try DataInCoordinates(Digits(), recipes: [DequantiseRecipe(), StandardiseRecipe()], seed: 1)
    let source = data.seen.source
    #expect(source.count == 1498 && source.dimension == 64)
    let map = try #require(data.coordinates)
    let scale = (map.maps[1] as! Standardise).deviations[0]
    let plain = data.decoded(Batch(rows: [source.row(7, step: 4, row: 9).map { Double($0) }]))
    for j in 0..<64 {
      let offset = plain[0, j] - data.dataset.training[7, j]
      #expect(abs(offset) <= 0.0625 + 1e-6 * scale)
    }
    #expect(source.row(7, step: 4, row: 9) == source.row(7, step: 4, row: 9))
    #expect(source.row(7, step: 5, row: 9) != source.row(7, step: 4, row: 9))
    #expect(source.row(7, step: 4, row: 8) != source.row(7, step: 4, row: 9))
  }

  @Test func rowsFarFromZeroKeepTheirDigits() throws {
    // A float near 1e6 is a multiple of 1/16; coordinates are computed before rounding.
    let mixture = try GaussianMixture(weights: [1], means: [[1e6]], deviations: [0.5])
    let data = try DataInCoordinates(MixtureData(mixture), recipes: [StandardiseRecipe()], seed: 1)
    for i in 0..<100 { #expect(data.seen.source.row(i)[0] == Float(data.seen.training[i, 0])) }
  }
}
