// SPDX-License-Identifier: GPL-3.0-or-later
import ScoreSDE

/// A network: h ← h + silu(W h + b) some times, between two linear layers. Derivatives follow from the tape's
/// operations, and training, checkpoints and sampling from the layout.
struct ResidualNetwork: Network {
  let dimension, outputDimension: Int
  let layout: ParameterLayout
  let features: TimeFeatures
  /// Places in the layout: of weight and bias of each layer.
  private let layers: [(weight: Int, bias: Int)]

  var noiseInput: NoiseLevelInput { features.noiseInput }

  init(dimension: Int, output: Int, width: Int, layers count: Int, seed: UInt64) {
    (self.dimension, outputDimension) = (dimension, output)
    features = TimeFeatures(.fourier, count: 16, scale: 0.1, seed: seed)
    var layout = ParameterLayout()
    let widths = [dimension + features.count] + Array(repeating: width, count: count + 1) + [output]
    layers = (0..<widths.count - 1).map { i in
      (
        layout.add("layers.\(i).weight", shape: [widths[i + 1], widths[i]]),
        layout.add("layers.\(i).bias", shape: [widths[i + 1]])
      )
    }
    self.layout = layout
  }

  func initialParameters(seed: UInt64) -> [Float] {
    var values = [Float](repeating: 0, count: layout.count)
    let stream = NoiseStream(seed: seed, purpose: .weights)
    for (index, layer) in layers.enumerated() {
      let entry = layout.entries[layer.weight]
      let deviation = (index == layers.count - 1 ? 0.01 : 1) / Double(entry.columns).squareRoot()
      let normals = stream.normals(count: entry.rows, dimension: entry.columns, step: index)
      for i in 0..<entry.count { values[entry.offset + i] = Float(deviation * normals.values[i]) }
    }
    return values
  }

  func forward(_ x: Tensor, noiseLevel: Tensor, second: Tensor?, condition: Tensor?, on tape: Tape) -> Tensor {
    let levels = noiseLevel.rows == x.rows ? noiseLevel : tape.repeatRow(noiseLevel, rows: x.rows)
    var h = linear(tape.concatenate(x, features(levels, on: tape)), 0, tape)
    for index in 1..<layers.count - 1 { h = tape.sum(1, h, 1, tape.silu(linear(h, index, tape))) }
    return linear(h, layers.count - 1, tape)
  }

  private func linear(_ x: Tensor, _ index: Int, _ tape: Tape) -> Tensor {
    let product = tape.matrixProduct(x, tape.parameter(layers[index].weight), transposeB: true)
    return tape.addBias(product, tape.parameter(layers[index].bias))
  }
}

extension Kind<NetworkRecipe> {
  static let residual = Kind("residual", "residual layers on [x, features of the noise level]") { options, _ in
    let width = try options.integer("width", default: 64, atLeast: 1, "of a layer")
    let layers = try options.integer("layers", default: 3, atLeast: 1, "how many")
    return NetworkRecipe { data, seed in
      ResidualNetwork(
        dimension: data.dimension, output: data.outputDimension, width: width, layers: layers, seed: seed)
    }
  }
}
