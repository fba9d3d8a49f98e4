// SPDX-License-Identifier: GPL-3.0-or-later
import ScoreSDE

/// A network made of layers: the toolkit's linear ones with gated layers of one's own between them, on [x, features of
/// the noise level].
struct GatedNetwork: Network {
  let dimension, outputDimension: Int
  private let features: TimeFeatures
  private let builder: LayerBuilder
  private let first, last: LinearLayer
  private let layers: [GatedLayer]

  var layout: ParameterLayout { builder.layout }
  var noiseInput: NoiseLevelInput { features.noiseInput }

  init(dimension: Int, output: Int, width: Int, layers count: Int, seed: UInt64) {
    (self.dimension, outputDimension) = (dimension, output)
    features = TimeFeatures(.fourier, count: 16, scale: 0.1, seed: seed)
    var builder = LayerBuilder()
    first = builder.linear("first", from: dimension + features.count, to: width)
    layers = (0..<count).map { GatedLayer("layers.\($0)", width: width, &builder) }
    last = builder.linear("last", from: width, to: output)
    self.builder = builder
  }

  func initialParameters(seed: UInt64) -> [Float] { builder.initialParameters(seed: seed) }

  func forward(_ x: Tensor, noiseLevel: Tensor, second: Tensor?, condition: Tensor?, on tape: Tape) -> Tensor {
    let levels = noiseLevel.rows == x.rows ? noiseLevel : tape.repeatRow(noiseLevel, rows: x.rows)
    var h = tape.silu(first(tape.concatenate(x, features(levels, on: tape)), on: tape))
    for layer in layers { h = layer(h, on: tape) }
    return last(h, on: tape)
  }
}

extension Kind<NetworkRecipe> {
  static let gated = Kind("gated", "gated layers on [x, features of the noise level]") { options, _ in
    let width = try options.integer("width", default: 64, atLeast: 1, "of a layer")
    let layers = try options.integer("layers", default: 2, atLeast: 1, "how many")
    return NetworkRecipe { data, seed in
      GatedNetwork(dimension: data.dimension, output: data.outputDimension, width: width, layers: layers, seed: seed)
    }
  }
}
