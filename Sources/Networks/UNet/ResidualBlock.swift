// SPDX-License-Identifier: GPL-3.0-or-later
import Tensors

/// shortcut(x) + conv(silu(norm(conv(silu(norm(x))) + embedding))), divided by a factor (Ho et al. 2020).
struct ResidualBlock: Sendable {
  enum Resampling { case none, up, down }

  let norm1: NormLayer
  let conv1: ConvolutionLayer
  let time: LinearLayer
  let norm2: NormLayer
  let conv2: ConvolutionLayer
  let shortcut: ConvolutionLayer?
  let resampling: Resampling
  let scaleShift: Bool
  let dropout: Double
  let factor: Float

  var output: FeatureShape { conv2.shape.output }

  init(
    _ name: String, from input: FeatureShape, to channels: Int, _ a: UNetArchitecture, resampling: Resampling = .none,
    factor: Double = 1, _ builder: inout LayerBuilder
  ) {
    let inner =
      switch resampling {
      case .none: input
      case .up: input.doubled
      case .down: input.halved
      }
    let places = ChannelPlaces(channels)
    norm1 = builder.norm("\(name).norm1", input, groups: a.groups, epsilon: a.epsilon)
    conv1 = builder.convolution(["\(name).conv1"], from: inner, to: places, kernel: 3)
    time = builder.linear(
      "\(name).time_emb_proj", from: a.embeddingWidth,
      to: a.scaleShift ? places.followed(by: places) : places)
    norm2 = builder.norm("\(name).norm2", conv1.shape.output, groups: a.groups, epsilon: a.epsilon)
    conv2 = builder.convolution(["\(name).conv2"], from: conv1.shape.output, to: places, kernel: 3, zero: true)
    shortcut =
      input.channels == places
      ? nil : builder.convolution(["\(name).conv_shortcut"], from: inner, to: places, kernel: 1)
    self.resampling = resampling
    scaleShift = a.scaleShift
    dropout = a.dropout
    self.factor = Float(1 / factor)
  }

  /// - Parameter embedding: silu of the time embedding, a row or a row per image.
  func callAsFunction(_ x: Tensor, embedding: Tensor, on tape: Tape) -> Tensor {
    let activated = norm1(x, silu: true, on: tape)
    let (h, skip) = (resampled(activated, on: tape), resampled(x, on: tape))
    if resampling != .none { tape.recycle(activated) }
    let first = conv1(h, on: tape)
    tape.recycle(h)
    let t = time(embedding, on: tape)
    let second: Tensor
    if scaleShift {
      let places = norm2.shape.channels.padded
      second = norm2.modulated(
        first, by: tape.slice(t, first: 0, count: places), tape.slice(t, first: places, count: places), last: true,
        on: tape)
    } else {
      second = norm2(first, silu: true, shift: t, last: true, on: tape)
    }
    let kept = tape.dropout(second, rate: dropout)
    let change = conv2(kept, on: tape)
    tape.recycle(second)
    let base = shortcut.map { $0(skip, on: tape) } ?? skip
    let out = tape.sum(factor, base, factor, change, last: true)
    if shortcut != nil { tape.recycle(base) }
    if resampling != .none { tape.recycle(skip) }
    return out
  }

  /// One over how many positions are averaged.
  private var average: Float { 1 / Float(1 << norm1.shape.axes.count) }

  private func resampled(_ x: Tensor, on tape: Tape) -> Tensor {
    switch resampling {
    case .none: x
    case .up: tape.upsampleNearest(x, norm1.shape)
    case .down: tape.sumPool(x, conv1.shape.input.with(norm1.shape.channels), factor: average)
    }
  }
}
