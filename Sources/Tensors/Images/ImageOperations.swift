// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels

/// A 2-D convolution between blocked images.
public struct ConvolutionShape: Sendable, Equatable {
  public let input, output: FeatureShape
  public let kernel, stride: Int
  /// Zeros above and on the left; below and on the right follow from the output's size.
  public let padTop, padLeft: Int

  /// - Parameter padding: zeros above and on the left, below and on the right.
  public init(
    from input: FeatureShape, to channels: ChannelPlaces, kernel: Int, stride: Int = 1,
    padding: (before: Int, after: Int)
  ) {
    func size(_ pixels: Int) -> Int { (pixels + padding.before + padding.after - kernel) / stride + 1 }
    precondition(input.height + padding.before + padding.after >= kernel && kernel > 0 && stride > 0)
    self.input = input
    output = FeatureShape(channels, height: size(input.height), width: size(input.width))
    self.kernel = kernel
    self.stride = stride
    (padTop, padLeft) = (padding.before, padding.before)
  }

  var c: ck_convolution {
    ck_convolution(
      in_blocks: Int32(input.channels.blocks), out_blocks: Int32(output.channels.blocks), height: Int32(input.height),
      width: Int32(input.width), out_height: Int32(output.height), out_width: Int32(output.width),
      kernel: Int32(kernel), stride: Int32(stride), pad_top: Int32(padTop), pad_left: Int32(padLeft))
  }

  /// Floats of the weights, blocked.
  package var weightCount: Int { input.channels.padded * output.channels.padded * kernel * kernel }
}

/// Group normalisation of blocked images: which group each place belongs to.
public final class ChannelGroups: Sendable {
  public let channels: ChannelPlaces
  public let groups: Int
  public let epsilon: Float
  /// The group of each place; −1 where no channel is.
  let group: [Int32]

  public init(_ channels: ChannelPlaces, groups: Int, epsilon: Double) {
    precondition(groups > 0 && channels.count % groups == 0, "groups of unequal size")
    self.channels = channels
    self.groups = groups
    self.epsilon = Float(epsilon)
    var group = [Int32](repeating: -1, count: channels.padded)
    for (channel, place) in channels.places.enumerated() { group[place] = Int32(channel / (channels.count / groups)) }
    self.group = group
  }

  var size: Int { channels.count / groups }
}

/// A group normalisation at work: x ↦ silu(scale ⊙ (x + shift − mean)/√(variance + ε) + offset).
struct GroupNormalisation {
  let groups: ChannelGroups
  let pixels: Int
  let silu: Bool
  let shift: Tensor?
  let scale, offset: Tensor
  /// Mean and 1/√(variance + ε) of each group of each image.
  let statistics: Tensor

  func withC<Result>(_ body: (UnsafePointer<ck_group_norm>) -> Result) -> Result {
    groups.group.withUnsafeBufferPointer { group in
      var c = ck_group_norm(
        blocks: groups.channels.blocks, pixels: pixels, groups: groups.groups, group: group.baseAddress,
        group_channels: groups.size, epsilon: groups.epsilon, silu: silu ? 1 : 0, shift: shift?.values,
        scale: scale.values, offset: offset.values,
        shift_stride: (shift?.rows ?? 1) == 1 ? 0 : groups.channels.padded,
        affine_stride: scale.rows == 1 ? 0 : groups.channels.padded)
      return withUnsafePointer(to: &c, body)
    }
  }
}

/// How queries, keys and values lie in one blocked image of 3 × channels: first all queries, then keys, then values.
package struct AttentionShape {
  let channels: Int
  /// Places of `channels`.
  let padded: Int
  let pixels: Int
  let heads: Int

  package init(channels: ChannelPlaces, pixels: Int, heads: Int) {
    self.channels = channels.count
    padded = channels.padded
    self.pixels = pixels
    self.heads = heads
  }

  var headWidth: Int { channels / heads }
  var scale: Float { 1 / Float(headWidth).squareRoot() }
}
