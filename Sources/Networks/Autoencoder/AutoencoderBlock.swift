// SPDX-License-Identifier: GPL-3.0-or-later
import Tensors

/// shortcut(x) + conv(silu(norm(conv(silu(norm(x)))))): a residual block that is told no noise level.
struct AutoencoderBlock: Sendable {
  private let norm1, norm2: NormLayer
  private let conv1, conv2: ConvolutionLayer
  private let shortcut: ConvolutionLayer?

  var output: FeatureShape { conv2.shape.output }

  init(_ name: String, from input: FeatureShape, to channels: Int, groups: Int, _ builder: inout LayerBuilder) {
    let places = ChannelPlaces(channels)
    func norm(_ part: String, _ shape: FeatureShape) -> NormLayer {
      builder.norm("\(name).\(part)", shape, groups: groups, epsilon: AutoencoderArchitecture.epsilon)
    }
    norm1 = norm("norm1", input)
    conv1 = builder.convolution(["\(name).conv1"], from: input, to: places, kernel: 3)
    norm2 = norm("norm2", conv1.shape.output)
    conv2 = builder.convolution(["\(name).conv2"], from: conv1.shape.output, to: places, kernel: 3, zero: true)
    shortcut =
      input.channels == places
      ? nil : builder.convolution(["\(name).conv_shortcut"], from: input, to: places, kernel: 1)
  }

  func callAsFunction(_ x: Tensor, on tape: Tape) -> Tensor {
    let activated = norm1(x, silu: true, on: tape)
    let first = conv1(activated, on: tape)
    tape.recycle(activated)
    let second = norm2(first, silu: true, last: true, on: tape)
    let change = conv2(second, on: tape)
    tape.recycle(second)
    let base = shortcut.map { $0(x, on: tape) } ?? x
    let out = tape.sum(1, base, 1, change, last: true)
    if shortcut != nil { tape.recycle(base) }
    return out
  }
}

/// Two residual blocks with attention between them, at the coarsest stage.
struct AutoencoderMiddle: Sendable {
  private let first, second: AutoencoderBlock
  private let attention: SelfAttention?

  init(_ name: String, _ shape: FeatureShape, _ a: AutoencoderArchitecture, _ builder: inout LayerBuilder) {
    let channels = shape.channels.count
    first = AutoencoderBlock("\(name).resnets.0", from: shape, to: channels, groups: a.groups, &builder)
    attention =
      a.middleAttention
      ? builder.selfAttention(
        "\(name).attentions.0", shape, heads: 1, groups: a.groups, epsilon: AutoencoderArchitecture.epsilon) : nil
    second = AutoencoderBlock("\(name).resnets.1", from: shape, to: channels, groups: a.groups, &builder)
  }

  func step(_ h: inout Path, on tape: Tape) {
    h.step { first($0, on: tape) }
    if let attention { h.step { attention($0, on: tape) } }
    h.step { second($0, on: tape) }
  }
}
