import Core
import Glibc
// SPDX-License-Identifier: GPL-3.0-or-later
import Tensors

/// A multilayer perceptron on [x, features of the noise label] with SiLU between its layers.
public struct MLP: ScoreNetwork {
  public let dimension: Int
  public let outputDimension: Int
  public let hidden: [Int]
  public let features: TimeFeatures
  public let layout: ParameterLayout
  private let weights, biases: [Int]

  public var label: NoiseLabel { features.label }

  /// - Precondition: at least one hidden layer, all widths at least 1.
  public init(dimension: Int, output: Int? = nil, hidden: [Int], features: TimeFeatures) {
    let output = output ?? dimension
    precondition(!hidden.isEmpty && hidden.allSatisfy { $0 > 0 } && dimension > 0 && output > 0)
    self.dimension = dimension
    outputDimension = output
    self.hidden = hidden
    self.features = features
    var layout = ParameterLayout()
    var weights: [Int] = []
    var biases: [Int] = []
    let widths = [dimension + features.count] + hidden + [output]
    for i in 0..<widths.count - 1 {
      weights.append(layout.add("layers.\(i).weight", shape: [widths[i + 1], widths[i]]))
      biases.append(layout.add("layers.\(i).bias", shape: [widths[i + 1]]))
    }
    self.layout = layout
    self.weights = weights
    self.biases = biases
  }

  /// Weights uniform in ±√(3/in), which keeps the variance; zero biases; a last layer a hundredth of that, so that the
  /// first prediction is nearly zero.
  public func initialParameters(seed: UInt64) -> [Float] {
    var values = [Float](repeating: 0, count: layout.count)
    let stream = NoiseStream(seed: seed, purpose: .weights)
    for (layer, index) in weights.enumerated() {
      let entry = layout.entries[index]
      let bound = sqrt(3 / Double(entry.columns)) * (layer == weights.count - 1 ? 0.01 : 1)
      let uniforms = stream.uniforms(count: entry.rows, dimension: entry.columns, step: layer)
      for i in 0..<entry.count { values[entry.offset + i] = Float(bound * (2 * uniforms.values[i] - 1)) }
    }
    return values
  }

  public func forward(_ x: Tensor, label: Tensor, classes: Tensor?, on tape: Tape) -> Tensor {
    var h = firstLayer(x, label, tape)
    for layer in 1..<weights.count {
      let z = tape.matrixProduct(h, tape.parameter(weights[layer]), transposeB: true)
      tape.recycle(h)
      let bias = tape.parameter(biases[layer])
      if layer == weights.count - 1 { return tape.addBias(z, bias) }
      h = tape.biasThenSilu(z, bias)
    }
    return h
  }

  private func firstLayer(_ x: Tensor, _ label: Tensor, _ tape: Tape) -> Tensor {
    let weight = tape.parameter(weights[0])
    let bias = tape.parameter(biases[0])
    if !tape.recording && label.rows == 1 {
      // One noise level for all rows: its part of the layer is a single row, a bias.
      let timeWeight = tape.columns(weight, first: dimension, count: features.count)
      let shared = tape.addBias(tape.matrixProduct(features(label, on: tape), timeWeight, transposeB: true), bias)
      let dataWeight = tape.columns(weight, first: 0, count: dimension)
      return tape.biasThenSilu(tape.matrixProduct(x, dataWeight, transposeB: true), shared)
    }
    let labels = label.rows == x.rows ? label : tape.repeatRow(label, rows: x.rows)
    let input = tape.concatenate(x, features(labels, on: tape))
    return tape.biasThenSilu(tape.matrixProduct(input, weight, transposeB: true), bias)
  }
}
