// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Glibc
import Tensors

/// A multilayer perceptron on [x, features of the noise level, embedding of the condition] with SiLU between its
/// layers. One that is told a second noise level adds W φ(second) to its first layer, where W begins as zeros: it
/// begins as the network of one noise level. One with a divergence has a second last layer, of one unit that begins at
/// 0.
public struct MLP: Network {
  public let dimension: Int
  public let outputDimension: Int
  /// The widths of the hidden layers.
  public let hidden: [Int]
  /// How the noise level is seen.
  public let features: TimeFeatures
  public let conditionShape: ConditionShape
  public let layout: ParameterLayout
  private let weights, biases: [Int]
  private let embedding: ConditionEmbedding?
  /// The place of W; nil for a network of one noise level.
  private let second: Int?
  /// The places of weight and bias of the layer that makes the divergence; nil without one.
  private let divergence: (weight: Int, bias: Int)?
  private let builder: LayerBuilder

  public var noiseInput: NoiseLevelInput { features.noiseInput }
  public var knowsNothing: Bool { embedding != nil }
  public var takesSecond: Bool { second != nil }
  public var hasDivergence: Bool { divergence != nil }

  /// - Parameters:
  ///   - dimension: the width of x.
  ///   - output: the width of the result; nil: that of x.
  ///   - hidden: the widths of the hidden layers, at least one, each at least 1.
  ///   - features: how the network sees the noise level.
  ///   - condition: what the network is told of each row; embedded as widely as the noise level.
  ///   - second: whether it is told a second noise level.
  ///   - divergence: whether it has a second output, the mean divergence of its flow.
  public init(
    dimension: Int, output: Int? = nil, hidden: [Int], features: TimeFeatures, condition: ConditionShape = .nothing,
    second: Bool = false, divergence: Bool = false
  ) {
    let output = output ?? dimension
    precondition(!hidden.isEmpty && hidden.allSatisfy { $0 > 0 } && dimension > 0 && output > 0)
    self.dimension = dimension
    outputDimension = output
    self.hidden = hidden
    self.features = features
    conditionShape = condition
    var builder = LayerBuilder()
    var weights: [Int] = []
    var biases: [Int] = []
    let widths = [dimension + features.count + (condition == .nothing ? 0 : features.count)] + hidden + [output]
    for i in 0..<widths.count - 1 {
      weights.append(builder.parameter("layers.\(i).weight", shape: [widths[i + 1], widths[i]], .zeros))
      biases.append(builder.parameter("layers.\(i).bias", shape: [widths[i + 1]], .zeros))
    }
    var embedding = ConditionEmbedding(condition, width: features.count, &builder)
    self.second =
      second ? builder.parameter("second_embedding.weight", shape: [hidden[0], features.count], .zeros) : nil
    self.divergence =
      divergence
      ? (
        builder.parameter("divergence.weight", shape: [1, hidden[hidden.count - 1]], .zeros),
        builder.parameter("divergence.bias", shape: [1], .zeros)
      ) : nil
    embedding?.addNothing(&builder)
    self.embedding = embedding
    layout = builder.layout
    self.builder = builder
    self.weights = weights
    self.biases = biases
  }

  /// Weights uniform in ±√(3/in), which keeps the variance; zero biases; a last layer a hundredth of that, so that the
  /// first prediction is nearly zero. Embeddings of conditions begin as `LayerBuilder` says.
  public func initialParameters(seed: UInt64) -> [Float] {
    let stream = NoiseStream(seed: seed, purpose: .weights)
    var values = builder.initialParameters(seed: seed)
    for (layer, index) in weights.enumerated() {
      let entry = layout.entries[index]
      let bound = sqrt(3 / Double(entry.columns)) * (layer == weights.count - 1 ? 0.01 : 1)
      let uniforms = stream.uniforms(count: entry.rows, dimension: entry.columns, step: layer)
      for i in 0..<entry.count { values[entry.offset + i] = Float(bound * (2 * uniforms.values[i] - 1)) }
    }
    return values
  }

  public func forward(_ x: Tensor, noiseLevel: Tensor, second: Tensor?, condition: Tensor?, on tape: Tape) -> Tensor {
    let h = hiddenLayers(x, noiseLevel, second, condition, tape)
    let z = tape.matrixProduct(h, tape.parameter(weights[weights.count - 1]), transposeB: true)
    tape.recycle(h)
    return tape.addBias(z, tape.parameter(biases[weights.count - 1]))
  }

  public func forwardWithDivergence(
    _ x: Tensor, noiseLevel: Tensor, second: Tensor?, condition: Tensor?, on tape: Tape
  ) -> Tensor {
    guard let divergence else { preconditionFailure("a network without a divergence") }
    let h = hiddenLayers(x, noiseLevel, second, condition, tape)
    func layer(_ weight: Int, _ bias: Int) -> Tensor {
      tape.addBias(tape.matrixProduct(h, tape.parameter(weight), transposeB: true), tape.parameter(bias))
    }
    return tape.concatenate(
      layer(weights[weights.count - 1], biases[weights.count - 1]), layer(divergence.weight, divergence.bias))
  }

  /// All layers but the last.
  private func hiddenLayers(
    _ x: Tensor, _ noiseLevel: Tensor, _ second: Tensor?, _ condition: Tensor?, _ tape: Tape
  ) -> Tensor {
    precondition(second == nil || takesSecond, "a network of one noise level")
    var h = firstLayer(x, noiseLevel, second ?? noiseLevel, embedding?(condition, on: tape), tape)
    for layer in 1..<weights.count - 1 {
      let z = tape.matrixProduct(h, tape.parameter(weights[layer]), transposeB: true)
      tape.recycle(h)
      h = tape.biasThenSilu(z, tape.parameter(biases[layer]))
    }
    return h
  }

  private func firstLayer(
    _ x: Tensor, _ noiseLevel: Tensor, _ other: Tensor, _ condition: Tensor?, _ tape: Tape
  ) -> Tensor {
    let weight = tape.parameter(weights[0])
    let bias = tape.parameter(biases[0])
    /// W φ(second), a row for each row of it.
    func moved(_ z: Tensor) -> Tensor {
      guard let second else { return z }
      let part = tape.matrixProduct(features(other, on: tape), tape.parameter(second), transposeB: true)
      return tape.sum(1, z, 1, part.rows == z.rows ? part : tape.repeatRow(part, rows: z.rows))
    }
    if !tape.recording && noiseLevel.rows == 1 && other.rows == 1 {
      // All rows share the noise level, so its part of the layer is a single row: a bias.
      let timeWeight = tape.columns(weight, first: dimension, count: features.count)
      let shared = moved(
        tape.addBias(tape.matrixProduct(features(noiseLevel, on: tape), timeWeight, transposeB: true), bias))
      let dataWeight = tape.columns(weight, first: 0, count: dimension)
      var z = tape.matrixProduct(x, dataWeight, transposeB: true)
      if let condition {
        let conditionWeight = tape.columns(weight, first: dimension + features.count, count: features.count)
        z = tape.sum(1, z, 1, tape.matrixProduct(condition, conditionWeight, transposeB: true))
      }
      return tape.biasThenSilu(z, shared)
    }
    func columns(_ first: Int, _ count: Int) -> Tensor { tape.columns(weight, first: first, count: count) }
    if noiseLevel.rows == x.rows, let few = tape.fewValues(of: noiseLevel) {
      // Rows share few noise levels, as those of a grid: each makes a row, which is that of many rows of the layer.
      var z = tape.matrixProduct(x, columns(0, dimension), transposeB: true)
      if let condition {
        let part = tape.matrixProduct(condition, columns(dimension + features.count, features.count), transposeB: true)
        z = tape.sum(1, z, 1, part)
      }
      let waves = tape.matrixProduct(
        features(few.values, on: tape), columns(dimension, features.count), transposeB: true)
      return tape.rowsThenSilu(moved(z), tape.addBias(waves, bias), few.indices)
    }
    let levels = noiseLevel.rows == x.rows ? noiseLevel : tape.repeatRow(noiseLevel, rows: x.rows)
    var input = tape.concatenate(x, features(levels, on: tape))
    if let condition { input = tape.concatenate(input, condition) }
    return tape.biasThenSilu(moved(tape.matrixProduct(input, weight, transposeB: true)), bias)
  }
}
