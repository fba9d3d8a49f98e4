// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Glibc
import Models
import Networks
import Tensors

/// The loss of a variational autoencoder (Kingma and Welling 2014; Rombach et al. 2022, section 3.1), a mean over rows:
/// with latents z = μ(x) + e^{v(x)/2} ε drawn by the encoder, x̂ the picture that z decodes to, and D values in a
/// picture,
///
///     (R(x, x̂) + w · ½ Σ (μ² + e^v − 1 − v))/D + p · P(x, x̂),
///
/// where R is Σ |x − x̂|, or −ln N(x; x̂, s² I) with an s that is learned; the second term is w times the divergence of
/// the latents' law from standard normals. With a Gaussian R and w = 1 it is the bound of −ln p(x), in nats a value.
/// P compares features of a frozen network (Johnson et al. 2016): the mean over its stages of the mean square
/// difference of features that have unit mean square each.
public struct AutoencoderObjective: Objective {
  /// How far a picture is from what its latents decode to.
  public enum Reconstruction: String, Sendable, CaseIterable {
    /// Σ |x − x̂|
    case l1
    /// −ln N(x; x̂, s² I), with an s that is learned
    case gaussian
  }

  /// The encoder and the decoder.
  public let autoencoder: AutoencoderNetwork
  /// R
  public let reconstruction: Reconstruction
  /// w and p, 0 or more.
  public let klWeight, perceptualWeight: Double
  /// What P looks at pictures with, and its parameters; nil where p is 0.
  public let perceptual: (network: FeatureNetwork, parameters: [Float])?
  public let times: TrainingTimes

  public var network: any Network { autoencoder }
  public var dataDimension: Int { autoencoder.dimension }
  public var frozen: [FrozenParameters] {
    perceptual.map { [FrozenParameters(Self.perceptualName, $0.network, .values($0.parameters))] } ?? []
  }

  private static let perceptualName = "perceptual"

  /// - Parameters:
  ///   - autoencoder: the encoder and the decoder.
  ///   - reconstruction: R.
  ///   - klWeight: w, 0 or more.
  ///   - perceptualWeight: p, 0 or more.
  ///   - perceptual: what P looks at pictures with; needed where p is not 0.
  ///   - times: the trainer draws times by it, which this objective does not read.
  public init(
    _ autoencoder: AutoencoderNetwork, reconstruction: Reconstruction, klWeight: Double, perceptualWeight: Double = 0,
    perceptual: (network: FeatureNetwork, parameters: [Float])? = nil, times: TrainingTimes
  ) {
    precondition(perceptualWeight == 0 || perceptual != nil, "a network for the perceptual term")
    (self.autoencoder, self.reconstruction) = (autoencoder, reconstruction)
    (self.klWeight, self.perceptualWeight) = (klWeight, perceptualWeight)
    (self.perceptual, self.times) = (perceptualWeight == 0 ? nil : perceptual, times)
  }

  public func makeWorker(rows: Int, seed: UInt64) -> any ObjectiveWorker { Worker(self, rows: rows, seed: seed) }

  private final class Worker: ObjectiveWorker {
    private let objective: AutoencoderObjective
    private let seed: UInt64
    private let noise: RowStorage

    init(_ objective: AutoencoderObjective, rows: Int, seed: UInt64) {
      (self.objective, self.seed) = (objective, seed)
      noise = RowStorage(
        RowSpan(first: 0, count: rows, dimension: objective.autoencoder.architecture.latentDimension))
    }

    func loss(of shard: TrainingShard, on tape: Tape) -> Tensor {
      let (network, count) = (objective.autoencoder, shard.rows.count)
      let x = tape.constant(rows: count, columns: network.dimension)
      for i in 0..<x.count { x.values[i] = shard.data[i] }
      let (mean, logVariance) = network.encode(x, on: tape)
      let scale = 1 / Double(shard.batch * network.dimension)
      let latents = draw(mean, logVariance, shard, tape)
      let divergence = self.divergence(mean, logVariance, weight: objective.klWeight * scale, tape)
      let output = network.decode(latents, on: tape)
      let miss = tape.sum(1, output, -1, x)
      var parts = [
        objective.reconstruction == .l1 ? absolute(miss, scale, tape) : gaussian(miss, scale, tape), divergence,
      ]
      if let perceptual = objective.perceptual, let set = shard.frozen[AutoencoderObjective.perceptualName] {
        parts.append(features(perceptual.network, set, x, output, shard, tape))
      }
      // Each part is a sum that has the derivative of the loss; its value is put right here.
      let total = parts.dropFirst().reduce(parts[0].tensor) { tape.sum(1, $0, 1, $1.tensor) }
      total.values[0] = Float(parts.reduce(0) { $0 + $1.value })
      return total
    }

    /// A part of the loss: a tensor with its derivative, and its value.
    private typealias Part = (tensor: Tensor, value: Double)

    private func number(_ value: Float) -> Float {
      min(max(value, AutoencoderNetwork.logVarianceRange.lowerBound), AutoencoderNetwork.logVarianceRange.upperBound)
    }

    /// Whether the log variance moves with the encoder's output.
    private func isFree(_ value: Float) -> Bool { AutoencoderNetwork.logVarianceRange.contains(value) }

    /// z = μ + e^{v/2} ε, as a sum μ + a v + b whose a is the derivative of the second term.
    private func draw(_ mean: Tensor, _ logVariance: Tensor, _ shard: TrainingShard, _ tape: Tape) -> Tensor {
      let epsilon = noise.view(of: shard.rows)
      NoiseStream(seed: seed, purpose: .trainingNoise).normals(into: epsilon, step: shard.step)
      let slope = tape.constant(rows: mean.rows, columns: mean.columns)
      let rest = tape.constant(rows: mean.rows, columns: mean.columns)
      for i in 0..<mean.count {
        let v = logVariance.values[i]
        let move = exp(0.5 * Double(number(v))) * epsilon.values[i]
        slope.values[i] = isFree(v) ? Float(0.5 * move) : 0
        rest.values[i] = Float(move - Double(slope.values[i]) * Double(v))
      }
      return tape.sum(1, mean, 1, tape.sum(1, tape.product(logVariance, slope), 1, rest))
    }

    /// w ½ Σ (μ² + e^v − 1 − v)
    private func divergence(_ mean: Tensor, _ logVariance: Tensor, weight: Double, _ tape: Tape) -> Part {
      let (slope, half) = (
        tape.constant(rows: mean.rows, columns: mean.columns), tape.constant(rows: mean.rows, columns: 1)
      )
      half.values.update(repeating: Float(0.5 * weight), count: half.count)
      var sum = 0.0
      for i in 0..<mean.count {
        let (m, v) = (Double(mean.values[i]), Double(number(logVariance.values[i])))
        sum += m * m + exp(v) - 1 - v
        slope.values[i] = isFree(logVariance.values[i]) ? Float(0.5 * weight * (exp(v) - 1)) : 0
      }
      let linear = total(tape.product(logVariance, slope), tape)
      return (tape.sum(1, tape.weightedSquares(mean, by: half), 1, linear), 0.5 * weight * sum)
    }

    /// scale Σ |d|
    private func absolute(_ miss: Tensor, _ scale: Double, _ tape: Tape) -> Part {
      let signs = tape.constant(rows: miss.rows, columns: miss.columns)
      var sum = 0.0
      for i in 0..<miss.count {
        sum += Double(abs(miss.values[i]))
        signs.values[i] = miss.values[i] == 0 ? 0 : miss.values[i] < 0 ? Float(-scale) : Float(scale)
      }
      return (total(tape.product(miss, signs), tape), scale * sum)
    }

    /// scale Σ (d² e^{−l} + l + ln 2π)/2, with the log variance l that is learned.
    private func gaussian(_ miss: Tensor, _ scale: Double, _ tape: Tape) -> Part {
      let (parameter, factor) = objective.autoencoder.deviationParameter(on: tape)
      let logVariance = Double(AutoencoderNetwork.logVariance(parameter.values[0]))
      let (weights, slope) = (tape.constant(rows: miss.rows, columns: 1), tape.constant(rows: 1, columns: 1))
      weights.values.update(repeating: Float(0.5 * scale * exp(-logVariance)), count: weights.count)
      let squares = tape.weightedSquares(miss, by: weights)
      let sum = Double(squares.values[0])
      let count = scale * Double(miss.count)
      slope.values[0] = factor * Float(0.5 * count - sum)
      return (
        tape.sum(1, squares, 1, tape.product(parameter, slope)), sum + 0.5 * count * (logVariance + log(2 * .pi))
      )
    }

    /// p times the mean over stages of the mean square difference of features.
    private func features(
      _ network: FeatureNetwork, _ set: ParameterSet, _ x: Tensor, _ output: Tensor, _ shard: TrainingShard,
      _ tape: Tape
    ) -> Part {
      let (given, found) = tape.with(set) { (network.features(x, on: tape), network.features(output, on: tape)) }
      var (tensor, value): (Tensor?, Double) = (nil, 0)
      for (given, found) in zip(given, found) {
        // No derivative is wanted of what the data give.
        let wanted = tape.constant(rows: given.rows, columns: given.columns)
        wanted.values.update(from: given.values, count: given.count)
        let weights = tape.constant(rows: found.rows, columns: 1)
        for row in 0..<found.rows {
          var squares = 0.0
          for j in 0..<wanted.columns { squares += Double(wanted[row, j]) * Double(wanted[row, j]) }
          // Over the picture's own: features of any size count the same.
          let factor = objective.perceptualWeight / Double(shard.batch * network.stages)
          weights.values[row] = Float(factor / max(squares, 1e-12))
        }
        let part = tape.weightedSquares(tape.sum(1, found, -1, wanted), by: weights)
        value += Double(part.values[0])
        tensor = tensor.map { tape.sum(1, $0, 1, part) } ?? part
      }
      guard let tensor else { preconditionFailure("a network without stages") }
      return (tensor, value)
    }

    private func total(_ x: Tensor, _ tape: Tape) -> Tensor { tape.columnSums(tape.rowSums(x)) }
  }
}
