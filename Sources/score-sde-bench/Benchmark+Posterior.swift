// SPDX-License-Identifier: GPL-3.0-or-later
import Conditioning
import Core
import Models
import Networks
import Processes
import Scores
import Solvers

/// Posterior sampling beside azula and deepinv, on networks with initial weights: 8 × 8 images whose left halves are
/// seen with noise of deviation 1000, so that a network that has learned nothing leads nowhere. peer_posterior.py says
/// what a repetition is.
extension Benchmark {
  /// A method of which a case is.
  enum PosteriorMethod { case dps, pigdm, smc }
  /// The network of a case.
  enum PosteriorNetwork { case mlp, unet }

  static let posteriors: [String: (PosteriorMethod, PosteriorNetwork)] = [
    "posterior-dps-mlp": (.dps, .mlp), "posterior-dps-unet": (.dps, .unet),
    "posterior-pigdm-mlp": (.pigdm, .mlp), "posterior-pigdm-unet": (.pigdm, .unet),
    "posterior-smc-mlp": (.smc, .mlp), "posterior-smc-unet": (.smc, .unet),
  ]

  private static let particles = 64

  static func posterior(
    _ method: PosteriorMethod, _ name: PosteriorNetwork, threads: Int
  ) throws -> Benchmark {
    let process = PreparedProcess(VPSDE())
    let network: any Network =
      switch name {
      case .mlp:
        MLP(
          dimension: 64, hidden: [256, 256, 256],
          features: TimeFeatures(.sinusoidal, count: 64, scale: 1, seed: 1))
      case .unet: try UNet(unets[0].architecture)
      }
    let kernel = VPSDE().makeKernel()
    let score = ScoreModel(
      network, parameters: network.initialParameters(seed: 1), prediction: .noise, kernel: kernel, duration: 1
    ).score()
    let left = SparseMatrix(picking: (0..<64).filter { $0 % 8 < 4 }, of: 64)
    let linear = try LinearObservation(left, noise: .deviation(1000))
    let observation = Observation(linear, values: Batch(count: 1, dimension: 32))
    let steps = FixedSteps(Ancestral(), steps: 100)
    let (count, solver, guided): (Int, any Solver, any Score)
    switch method {
    case .smc:
      count = 2
      solver = try ParticleSolver(
        steps, method: TwistedMethod(linear), score: score, observation: observation, particles: particles, share: 1)
      guided = FewerRows(score, rows: 1)
    case .dps, .pigdm:
      count = name == .mlp ? 256 : 64
      solver = steps
      let term: any LikelihoodScore = method == .dps ? DPS() : PiGDM()
      let whole = PosteriorScore(score, kernel: kernel, observation: observation, likelihood: term)
      // As many rows on each thread.
      guided = FewerRows(whole, rows: (count + threads - 1) / threads)
    }
    let sampler = Sampler(
      process: process, score: guided, dimension: 64, seed: 1, epsilon: 1e-3, threads: threads)
    return Benchmark(units: 1) { _ = try sampler.draw(count, with: solver, denoise: false) }
  }
}
