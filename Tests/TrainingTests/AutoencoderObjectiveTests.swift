// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Models
import Networks
import Pairs
import Processes
import Scores
import Tensors
import Testing
import Training

@Suite("The autoencoder's loss") struct AutoencoderObjectiveTests {
  private static let rows = 6

  private static func network() throws -> AutoencoderNetwork {
    try AutoencoderNetwork(
      AutoencoderArchitecture(
        height: 8, width: 4, channels: 2, latentChannels: 3, stages: [4, 8], blocks: 1, groups: 2))
  }

  private static func objective(
    _ reconstruction: AutoencoderObjective.Reconstruction, kl: Double, perceptual: Double = 0
  ) throws -> AutoencoderObjective {
    let features = FeatureNetwork(height: 8, width: 4, channels: 2, widths: [4, 8], words: 3)
    let process = PreparedProcess(VPSDE())
    return AutoencoderObjective(
      try network(), reconstruction: reconstruction, klWeight: kl, perceptualWeight: perceptual,
      perceptual: (features, features.initialParameters(seed: 9)),
      times: TrainingTimes(TrainingPlan(steps: 1), kernel: try #require(process.kernel), duration: 1))
  }

  /// Parameters that are nowhere zero, so that no derivative is.
  private static func parameters(_ network: AutoencoderNetwork) -> [Float] {
    let normals = NoiseStream(seed: 3, purpose: .weights).normals(count: 1, dimension: network.layout.count)
    return pairs(network.initialParameters(seed: 1), normals.values).map { $0 + Float(0.05 * $1) }
  }

  private static let data: [Float] = NoiseStream(seed: 4, purpose: .data).normals(count: rows, dimension: 64).values
    .map { Float(0.5 * $0) }

  /// The loss of all rows, in one shard or in several, and its gradient.
  private static func loss(
    _ objective: AutoencoderObjective, _ parameters: [Float], shards: [Range<Int>] = [0..<rows]
  ) -> (value: Double, gradient: [Float]) {
    let (tape, worker) = (objective.network.makeTape(), objective.makeWorker(rows: rows, seed: 2))
    var gradient = [Float](repeating: 0, count: parameters.count)
    var value = 0.0
    for shard in shards {
      var data = Array(Self.data[64 * shard.lowerBound..<64 * shard.upperBound])
      var sets: [String: ParameterSet] = [:]
      let frozen = objective.frozen
      parameters.withUnsafeBufferPointer { parameters in
        data.withUnsafeMutableBufferPointer { data in
          let values = frozen.map { set -> [Float] in if case .values(let values) = set.source { values } else { [] } }
          func run() {
            tape.begin(parameters: parameters.baseAddress!, recording: true)
            let times = [Double](repeating: 0.5, count: shard.count)
            let loss = worker.loss(
              of: TrainingShard(rows: shard, data: data, times: times, frozen: sets, step: 5, batch: rows), on: tape)
            value += Double(loss.values[0])
            gradient.withUnsafeMutableBufferPointer {
              tape.backward(from: loss, gradients: $0.baseAddress!, accumulate: shard.lowerBound > 0)
            }
          }
          guard let first = frozen.first else { return run() }
          values[0].withUnsafeBufferPointer {
            sets[first.name] = ParameterSet(first.network.layout, values: $0.baseAddress!)
            run()
          }
        }
      }
    }
    return (value, gradient)
  }

  /// Central differences along directions of unit components over 1,500 parameters. Steps of 1/512 move the outputs by
  /// some percent: truncation costs below a hundredth. The slope of |x| jumps at 0, so that l1 takes steps of 1/8192,
  /// which few values cross: those that do leave some hundredths.
  @Test(
    "the gradient is that of the value", arguments: AutoencoderObjective.Reconstruction.allCases, [0.0, 0.7])
  func gradient(reconstruction: AutoencoderObjective.Reconstruction, perceptual: Double) throws {
    let objective = try Self.objective(reconstruction, kl: 0.3, perceptual: perceptual)
    let parameters = Self.parameters(objective.autoencoder)
    let (_, gradient) = Self.loss(objective, parameters)
    let directions = NoiseStream(seed: 7, purpose: .projections).normals(count: 3, dimension: parameters.count)
    let h: Float = reconstruction == .l1 ? 1 / 8192 : 1 / 512
    for k in 0..<3 {
      let direction = directions.row(k).map { Float($0) }
      func value(_ h: Float) -> Double { Self.loss(objective, pairs(parameters, direction).map { $0 + h * $1 }).value }
      let expected = (value(h) - value(-h)) / Double(2 * h)
      let found = pairs(gradient, direction).reduce(0) { $0 + Double($1.0) * Double($1.1) }
      let tolerance = reconstruction == .l1 ? 0.05 : 0.02
      #expect(abs(found - expected) < tolerance * max(1, abs(expected)), "\(found) \(expected)")
    }
  }

  @Test("the value is the formula's") func value() throws {
    let network = try Self.network()
    let parameters = Self.parameters(network)
    let autoencoder = Autoencoder(network, parameters: parameters, scaling: 1)
    let images = Batch(values: Self.data.map { Double($0) }, dimension: 64)
    let (mean, logVariance) = try autoencoder.encode(images)
    let noise = NoiseStream(seed: 2, purpose: .trainingNoise).normals(
      count: Self.rows, dimension: mean.dimension, step: 5)
    var latents = mean
    for i in latents.values.indices { latents.values[i] += exp(0.5 * logVariance.values[i]) * noise.values[i] }
    let misses = pairs(try autoencoder.decode(latents).values, images.values).map { $0 - $1 }
    let count = Double(misses.count)
    let divergence = pairs(mean.values, logVariance.values).reduce(0) { $0 + $1.0 * $1.0 + exp($1.1) - 1 - $1.1 } / 2
    let l1 = misses.reduce(0) { $0 + abs($1) } / count
    #expect(abs(Self.loss(try Self.objective(.l1, kl: 0), parameters).value - l1) < 1e-5 * l1)
    let withDivergence = Self.loss(try Self.objective(.l1, kl: 0.3), parameters).value
    #expect(abs(withDivergence - l1 - 0.3 * divergence / count) < 1e-5 * withDivergence)
    // The parameter that the variance of a Gaussian is read from is the last.
    let deviation = Double(AutoencoderNetwork.logVariance(parameters[network.layout.count - 1]))
    let gaussian = misses.reduce(0) { $0 + $1 * $1 * exp(-deviation) + deviation + log(2 * .pi) } / (2 * count)
    let found = Self.loss(try Self.objective(.gaussian, kl: 0), parameters).value
    #expect(abs(found - gaussian) < 1e-5 * abs(gaussian))
    let perceptual = Self.loss(try Self.objective(.l1, kl: 0, perceptual: 1), parameters).value
    #expect(perceptual > l1 + 1e-3)
  }

  @Test("parts of a batch add up to it") func shards() throws {
    let objective = try Self.objective(.gaussian, kl: 0.3, perceptual: 0.5)
    let parameters = Self.parameters(objective.autoencoder)
    let (whole, parts) = (
      Self.loss(objective, parameters), Self.loss(objective, parameters, shards: [0..<2, 2..<3, 3..<6])
    )
    #expect(abs(whole.value - parts.value) < 1e-5 * abs(whole.value))
    let largest = whole.gradient.reduce(0) { max($0, abs($1)) }
    for (a, b) in pairs(whole.gradient, parts.gradient) { #expect(abs(a - b) < 1e-4 * largest) }
  }
}
