// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Evaluation
import Foundation
import Testing

/// Normal rows, the first column moved and all of them scaled.
func normalRows(_ count: Int, _ dimension: Int, seed: UInt64, shift: Double = 0, scale: Double = 1) -> Batch {
  var batch = NoiseStream(seed: seed, purpose: .data).normals(count: count, dimension: dimension)
  for i in 0..<count { for j in 0..<dimension { batch[i, j] = scale * batch[i, j] + (j == 0 ? shift : 0) } }
  return batch
}

/// What Fixtures/make_neighbours.py computed by NumPy, SciPy and scikit-learn.
struct NeighbourFixture: Decodable {
  struct Shares: Decodable { let precision, recall, density, coverage: Double }
  let dimension: Int
  let samples, heldOut, training, nearestSamples, nearestHeldOut: [Double]
  let shares: [String: Shares]
  let vendi, memorisation, dataCopying: Double

  func comparison(threads: Int = 2) -> Comparison {
    Comparison(
      samples: Batch(values: samples, dimension: dimension),
      reference: Reference(
        heldOut: Batch(values: heldOut, dimension: dimension), training: Batch(values: training, dimension: dimension)),
      seed: 1, threads: threads)
  }

  static func read() throws -> NeighbourFixture {
    let url = try #require(Bundle.module.url(forResource: "Fixtures/neighbours", withExtension: "json"))
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try decoder.decode(NeighbourFixture.self, from: try Data(contentsOf: url))
  }
}

/// A case of Fixtures/two_samples.json, with the accuracy of scikit-learn's network.
struct TwoSampleFixture: Decodable {
  let name: String
  let dimension: Int
  let heldOut, samples: [Double]
  let accuracy: Double

  static func read() throws -> [TwoSampleFixture] {
    let url = try #require(Bundle.module.url(forResource: "Fixtures/two_samples", withExtension: "json"))
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try decoder.decode([TwoSampleFixture].self, from: try Data(contentsOf: url))
  }
}

/// The share of repeats whose interval holds the mean over repeats of the value.
func coverageOfMean(_ metric: any Metric, repeats: Int, _ draw: (UInt64) -> Comparison) throws -> Double {
  let estimates = try (0..<repeats).map { try metric.estimate(draw(UInt64($0))) }
  let mean = estimates.map(\.value).reduce(0, +) / Double(repeats)
  let held = estimates.count { estimate in
    guard let low = estimate.low, let high = estimate.high else { return false }
    return low <= mean && mean <= high
  }
  return Double(held) / Double(repeats)
}
