// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core
import Foundation
import Pairs
import Processes
import Scores
import Solvers
import Testing

/// Samples against the law that the *discretised* sampler has, not against the data: Fixtures/make_chains.py pushes the
/// density of the chain forward step by step by quadrature, so the bias of 100 steps is predicted, not tolerated, and
/// every tolerance is sampling error alone.
///
/// k = 4 deviations: 144 checks are made (18 cases of 8), of which with k = 3 one or more would fail by chance in one
/// of three runs, with k = 4 in one of a hundred. Seeds are fixed.
@Suite("Laws of the chains", .serialized) struct ChainLawTests {
  private static let k = 4.0

  @Test("samples have the predicted law of the discretised chain", arguments: Chains.shared.cases)
  func law(_ chain: Chains.Case) throws {
    let chains = Chains.shared
    let process = try chain.process.sde
    let mixture = try chains.mixture()
    let sampler = Sampler(
      process: process, score: mixture.score(under: process), dimension: 2, seed: 2024, epsilon: chain.epsilon)
    let batch = try sampler.draw(chains.count, with: try chain.makeSolver(steps: chains.steps)).batch
    let n = Double(chains.count)

    for (j, expected) in chain.coordinates.enumerated() {
      let values = batch.column(j)
      // The mean of n draws has variance V/n; their variance has (μ₄ − V²)/n, of the predicted law.
      expect(values.mean, expected.mean, deviation: (expected.variance / n).squareRoot(), "mean \(j)")
      let spread = ((expected.fourth - expected.variance * expected.variance) / n).squareRoot()
      expect(values.variance, expected.variance, deviation: spread, "variance \(j)")
      expect(
        chains.energy(of: values, coordinate: j), expected.energy, deviation: expected.energyDeviation, "energy \(j)")
    }

    // The coordinates of data, prior and noise are independent, so the chain's are: Cov has variance V₀ V₁/n.
    let (x, y) = (batch.column(0), batch.column(1))
    let (meanX, meanY) = (x.mean, y.mean)
    let covariance = pairs(x, y).reduce(0) { $0 + ($1.0 - meanX) * ($1.1 - meanY) } / (n - 1)
    let product = chain.coordinates[0].variance * chain.coordinates[1].variance
    expect(covariance, 0, deviation: (product / n).squareRoot(), "covariance")

    let data = try Chains.data.get()
    let within = try Plane(batch).distances(to: batch) / (n * (n - 1))
    let energy = try 2 * data.plane.distances(to: batch) / (n * n) - within - data.within
    expect(energy, chain.energy2d, deviation: chain.energy2dDeviation, "energy in the plane")
  }

  private func expect(_ value: Double, _ expected: Double, deviation: Double, _ name: String) {
    let z = (value - expected) / deviation
    #expect(abs(z) < Self.k, "\(name) is \(value), \(z) deviations from \(expected)")
  }
}

/// chains.json
struct Chains: Decodable, Sendable {
  static let shared: Chains = {
    let url = Bundle.module.url(forResource: "chains", withExtension: "json", subdirectory: "Fixtures")!
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try! decoder.decode(Chains.self, from: Data(contentsOf: url))
  }()

  /// As many draws of the data as of a sampler, and the mean distance among them: shared by all cases.
  static let data = Result {
    let batch = try shared.mixture().draw(shared.count, from: NoiseStream(seed: 77, purpose: .heldOutData))
    let plane = Plane(batch)
    let pairs = Double(batch.count) * Double(batch.count - 1)
    return (plane: plane, within: try plane.distances(to: batch) / pairs)
  }

  struct Coordinates: Decodable, Sendable { let weights, means, deviations: [[Double]] }
  struct Law: Decodable, Sendable { let mean, variance, fourth, energy, energyDeviation: Double }
  struct Process: Decodable, Sendable {
    let kind: String
    let betaMin, betaMax, sigmaMin, sigmaMax: Double?

    var sde: any AffineSDE {
      get throws {
        switch kind {
        case "vp": VPSDE(LinearBeta(try #require(betaMin), try #require(betaMax)))
        case "sub-vp": SubVPSDE(LinearBeta(try #require(betaMin), try #require(betaMax)))
        case "ve": VESDE(GeometricSigma(try #require(sigmaMin), try #require(sigmaMax)))
        default: throw InputError("process \(kind)")
        }
      }
    }
  }
  struct Case: Decodable, Sendable, CustomTestStringConvertible {
    let process: Process
    let epsilon: Double
    let solver: String
    let coordinates: [Law]
    let energy2d, energy2dDeviation: Double

    var testDescription: String { "\(process.kind), \(solver)" }

    func makeSolver(steps: Int) throws -> any Solver {
      switch solver {
      case "euler-maruyama": FixedSteps(EulerMaruyama(), steps: steps, grid: UniformGrid())
      case "reverse-diffusion": FixedSteps(ReverseDiffusion(), steps: steps, grid: UniformGrid())
      case "ancestral": FixedSteps(Ancestral(variance: .posterior), steps: steps, grid: UniformGrid())
      case "ancestral-transition":
        FixedSteps(Ancestral(variance: .transition), steps: steps, grid: UniformGrid())
      case "predictor-corrector":
        FixedSteps(ReverseDiffusion(), corrector: Langevin(snr: 0.16), steps: steps, grid: UniformGrid())
      // The fixture has the exact flow; 1e-6 is far below the sampling error of 1e-2.
      case "probability-flow": ProbabilityFlow(.rkf45, rtol: 1e-6, atol: 1e-6)
      default: throw InputError("solver \(solver)")
      }
    }
  }

  let data: Coordinates
  let count, steps: Int
  let cases: [Case]

  /// The product of the two coordinates' mixtures: four components with diagonal covariances.
  func mixture() throws -> GaussianMixture {
    let pairs = data.means[0].indices.flatMap { a in data.means[1].indices.map { (a, $0) } }
    return try GaussianMixture(
      weights: pairs.map { data.weights[0][$0] * data.weights[1][$1] },
      means: pairs.map { [data.means[0][$0], data.means[1][$1]] },
      covariances: pairs.map { a, b in
        let (s, u) = (data.deviations[0][a], data.deviations[1][b])
        return [[s * s, 0], [0, u * u]]
      })
  }

  /// 2 ∫ (F_n − G)² = (2/n) Σ E|Y_i − D| − (1/n²) Σ_ij |Y_i − Y_j| − E|D − D′| for the data D ~ G: in closed form, as
  /// distances to Gaussians are and the double sum is one over the sorted sample.
  func energy(of sample: [Double], coordinate j: Int) -> Double {
    let (weights, means, deviations) = (data.weights[j], data.means[j], data.deviations[j])
    func absoluteMean(_ mean: Double, _ variance: Double) -> Double {
      let z = mean / (2 * variance).squareRoot()
      return (2 * variance / .pi).squareRoot() * exp(-z * z) + mean * erf(z)
    }
    let n = Double(sample.count)
    var (toData, among, within) = (0.0, 0.0, 0.0)
    for (i, y) in sample.sorted().enumerated() {
      for a in weights.indices {
        toData += weights[a] * absoluteMean(y - means[a], deviations[a] * deviations[a])
      }
      among += 2 * (Double(2 * i + 1) - n) * y
    }
    for a in weights.indices {
      for b in weights.indices {
        let variance = deviations[a] * deviations[a] + deviations[b] * deviations[b]
        within += weights[a] * weights[b] * absoluteMean(means[a] - means[b], variance)
      }
    }
    return 2 * toData / n - among / (n * n) - within
  }
}

/// Points of the plane in panels, as the distance kernel reads them.
struct Plane: Sendable {
  private let panels: [Double]
  private let count: Int

  init(_ batch: Batch) {
    count = batch.count
    var panels = [Double](repeating: 0, count: (count + 15) / 16 * 32)
    for i in 0..<count { for d in 0..<2 { panels[(i / 16 * 2 + d) * 16 + i % 16] = batch[i, d] } }
    self.panels = panels
  }

  /// The sum of all distances to the rows of a batch.
  func distances(to batch: Batch) throws -> Double {
    var sums = Batch(count: batch.count, dimension: 1)
    let padded = (count + 15) / 16 * 16
    try sums.forEachShard(of: 16, threads: Shards.processors) { part in
      var block = [Double](repeating: 0, count: part.count * padded)
      var columns = [Double](repeating: 0, count: count)
      batch.values.withUnsafeBufferPointer { x in
        ck_squared_distances(&block, padded, x.baseAddress! + 2 * part.first, part.count, 2, panels, padded / 16)
      }
      for i in 0..<part.count { part.values[i] = 0 }
      _ = ck_pair_sums(block, padded, part.count, count, CK_DISTANCE, 0, part.values, &columns)
    }
    return sums.values.reduce(0, +)
  }
}
