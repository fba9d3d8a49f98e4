// SPDX-License-Identifier: GPL-3.0-or-later
import ScoreSDE

/// A network: gated layers of one's own between two linear ones, on [x, features of the noise level]. Derivatives follow from
/// the tape's operations, and training, checkpoints and sampling from the layout.
struct ResidualNetwork: Network {
  let dimension, outputDimension: Int
  let layout: ParameterLayout
  let features: TimeFeatures
  private let first, last: (weight: Int, bias: Int)
  private let layers: [GatedLayer]

  var noiseInput: NoiseLevelInput { features.noiseInput }

  init(dimension: Int, output: Int, width: Int, layers count: Int, seed: UInt64) {
    (self.dimension, outputDimension) = (dimension, output)
    features = TimeFeatures(.fourier, count: 16, scale: 0.1, seed: seed)
    var layout = ParameterLayout()
    func linear(_ name: String, from input: Int, to output: Int) -> (weight: Int, bias: Int) {
      (layout.add(name + ".weight", shape: [output, input]), layout.add(name + ".bias", shape: [output]))
    }
    first = linear("first", from: dimension + features.count, to: width)
    layers = (0..<count).map { GatedLayer("layers.\($0)", width: width, &layout) }
    last = linear("last", from: width, to: output)
    self.layout = layout
  }

  /// Weights of variance 1/in, the last layer's a hundredth as large; zero biases.
  func initialParameters(seed: UInt64) -> [Float] {
    let stream = NoiseStream(seed: seed, purpose: .weights)
    var index = 0
    return layout.buffer { part in
      index += 1
      guard part.shape.count == 2 else { return [Float](repeating: 0, count: part.count) }
      let deviation = (part.name == "last.weight" ? 0.01 : 1) / Double(part.shape[1]).squareRoot()
      return stream.normals(count: part.shape[0], dimension: part.shape[1], step: index).values.map {
        Float(deviation * $0)
      }
    }
  }

  func forward(_ x: Tensor, noiseLevel: Tensor, second: Tensor?, condition: Tensor?, on tape: Tape) -> Tensor {
    let levels = noiseLevel.rows == x.rows ? noiseLevel : tape.repeatRow(noiseLevel, rows: x.rows)
    var h = tape.silu(linear(tape.concatenate(x, features(levels, on: tape)), first, tape))
    for layer in layers { h = layer(h, on: tape) }
    return linear(h, last, tape)
  }

  private func linear(_ x: Tensor, _ place: (weight: Int, bias: Int), _ tape: Tape) -> Tensor {
    let product = tape.matrixProduct(x, tape.parameter(place.weight), transposeB: true)
    return tape.addBias(product, tape.parameter(place.bias))
  }
}

extension Kind<NetworkRecipe> {
  static let residual = Kind("residual", "gated residual layers on [x, features of the noise level]") { options, _ in
    let width = try options.integer("width", default: 64, atLeast: 1, "of a layer")
    let layers = try options.integer("layers", default: 3, atLeast: 1, "how many")
    return NetworkRecipe { data, seed in
      ResidualNetwork(
        dimension: data.dimension, output: data.outputDimension, width: width, layers: layers, seed: seed)
    }
  }
}
