// SPDX-License-Identifier: GPL-3.0-or-later
import Tensors

/// x Wᵀ + b: rows × in to rows × out.
public struct LinearLayer: Sendable {
  let weight, bias: Int

  /// Puts x Wᵀ + b on the tape.
  public func callAsFunction(_ x: Tensor, on tape: Tape) -> Tensor {
    tape.addBias(tape.matrixProduct(x, tape.parameter(weight), transposeB: true), tape.parameter(bias))
  }
}

extension LayerBuilder {
  /// A linear layer: `name`.weight [out, in] and `name`.bias [out].
  public mutating func linear(_ name: String, from input: Int, to output: Int) -> LinearLayer {
    LinearLayer(
      weight: parameter(name + ".weight", shape: [output, input], .glorot(fanIn: input, fanOut: output)),
      bias: parameter(name + ".bias", shape: [output], .zeros))
  }

  /// The same, beginning as zeros.
  mutating func zeroLinear(_ name: String, from input: Int, to output: Int) -> LinearLayer {
    LinearLayer(
      weight: parameter(name + ".weight", shape: [output, input], .zeros),
      bias: parameter(name + ".bias", shape: [output], .zeros))
  }

  /// A linear layer whose results lie as the channels of blocked features do.
  public mutating func linear(_ name: String, from input: Int, to output: ChannelPlaces) -> LinearLayer {
    LinearLayer(
      weight: add(
        [name + ".weight"], shape: [output.count, input], .rows(output), .glorot(fanIn: input, fanOut: output.count)),
      bias: add([name + ".bias"], shape: [output.count], .vector(output), .zeros))
  }
}
