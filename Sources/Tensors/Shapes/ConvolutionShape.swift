// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels

/// A convolution between blocked features along 0 to 3 axes, each with its own kernel, stride and padding.
public struct ConvolutionShape: Sendable, Equatable {
  /// What is read and what is written.
  public let input, output: FeatureShape
  /// How many positions an output sees along each axis, and how far one output lies from the next.
  public let kernel, stride: Axes
  /// Zeros before the first position of each axis; those after the last follow from the output's size.
  public let padding: Axes

  /// - Parameters:
  ///   - input: what is read.
  ///   - channels: the output's.
  ///   - kernel: how many positions along each axis an output sees.
  ///   - stride: how far along each axis an output lies from the next.
  ///   - padding: zeros before the first and after the last position of each axis.
  public init(
    from input: FeatureShape, to channels: ChannelPlaces, kernel: Axes, stride: Axes,
    padding: (before: Axes, after: Axes)
  ) {
    let axes = input.axes
    precondition(
      [kernel, stride, padding.before, padding.after].allSatisfy { $0.count == axes.count }
        && axes.indices.allSatisfy {
          kernel[$0] > 0 && stride[$0] > 0 && axes[$0] + padding.before[$0] + padding.after[$0] >= kernel[$0]
        }, "a convolution of other axes, or of nothing")
    self.input = input
    output = FeatureShape(
      channels, axes.changed { ($1 + padding.before[$0] + padding.after[$0] - kernel[$0]) / stride[$0] + 1 })
    (self.kernel, self.stride, self.padding) = (kernel, stride, padding.before)
  }

  /// The same kernel, stride and padding along every axis.
  /// - Parameters:
  ///   - input: the shape convolved.
  ///   - channels: those of the output.
  ///   - kernel: how many positions an output sees along each axis.
  ///   - stride: how far an output lies from the next.
  ///   - padding: zeros before the first and after the last position.
  public init(
    from input: FeatureShape, to channels: ChannelPlaces, kernel: Int, stride: Int = 1,
    padding: (before: Int, after: Int)
  ) {
    func all(_ value: Int) -> Axes { Axes(repeating: value, count: input.axes.count) }
    self.init(
      from: input, to: channels, kernel: all(kernel), stride: all(stride),
      padding: (all(padding.before), all(padding.after)))
  }

  /// How many positions an output sees.
  public var taps: Int { kernel.product }

  /// Floats of the weights, blocked.
  public var weightCount: Int { input.channels.padded * output.channels.padded * taps }

  /// The convolution as the fast kernels know it: of images, with square kernels. Others go through patches.
  var planar: ck_convolution? {
    guard input.axes.count == 2, kernel[0] == kernel[1], stride[0] == stride[1] else { return nil }
    return ck_convolution(
      in_blocks: Int32(input.channels.blocks), out_blocks: Int32(output.channels.blocks), height: Int32(input.height),
      width: Int32(input.width), out_height: Int32(output.height), out_width: Int32(output.width),
      kernel: Int32(kernel[0]), stride: Int32(stride[0]), pad_top: Int32(padding[0]), pad_left: Int32(padding[1]))
  }

  var volume: ck_volume {
    ck_volume(
      in_blocks: Int32(input.channels.blocks), out_blocks: Int32(output.channels.blocks),
      size: input.axes.three(filler: 1), out_size: output.axes.three(filler: 1), kernel: kernel.three(filler: 1),
      stride: stride.three(filler: 1), pad: padding.three(filler: 0))
  }
}
