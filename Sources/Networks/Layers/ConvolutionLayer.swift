// SPDX-License-Identifier: GPL-3.0-or-later
import Tensors

/// conv(x, w) + b between blocked features, along 0 to 3 axes.
public struct ConvolutionLayer: Sendable {
  let weight: Int
  /// nil: none.
  let bias: Int?
  /// What the layer reads and writes.
  public let shape: ConvolutionShape

  /// rows × `shape.input.count` to rows × `shape.output.count`.
  public func callAsFunction(_ x: Tensor, on tape: Tape) -> Tensor {
    tape.convolution(x, tape.parameter(weight), bias: bias.map(tape.parameter), shape)
  }
}

extension LayerBuilder {
  /// A convolution, or several of the same input side by side: `name`.weight [out, in, kernel along each axis] and
  /// `name`.bias [out] where there is a bias.
  /// - Parameters:
  ///   - names: one for each of the convolutions.
  ///   - input: what is read; its axes are the convolution's.
  ///   - channels: the output's, of each convolution.
  ///   - kernel: how many positions along every axis an output sees.
  ///   - stride: how far along every axis an output lies from the next.
  ///   - padding: zeros before and after every axis; nil: as many as keep the size where the stride is 1.
  ///   - linear: whether weights are called [out, in] in checkpoints; for kernel 1.
  ///   - bias: whether something is added to the products.
  ///   - zero: whether weights begin as zeros.
  public mutating func convolution(
    _ names: [String], from input: FeatureShape, to channels: ChannelPlaces, kernel: Int, stride: Int = 1,
    padding: (before: Int, after: Int)? = nil, linear: Bool = false, bias: Bool = true,
    zero: Bool = false
  ) -> ConvolutionLayer {
    let shape = ConvolutionShape(
      from: input, to: ChannelPlaces(names.flatMap { _ in channels.runs }), kernel: kernel, stride: stride,
      padding: padding ?? (kernel / 2, kernel / 2))
    let (fanIn, fanOut) = (input.channels.count * shape.taps, channels.count * shape.taps)
    let weight = add(
      names.map { $0 + ".weight" },
      shape: [channels.count, input.channels.count] + (linear ? [] : Array(shape.kernel)),
      .convolution(in: input.channels, out: channels, taps: shape.taps),
      zero ? .zeros : .glorot(fanIn: fanIn, fanOut: fanOut))
    let bias = bias ? add(names.map { $0 + ".bias" }, shape: [channels.count], .vector(channels), .zeros) : nil
    return ConvolutionLayer(weight: weight, bias: bias, shape: shape)
  }
}
