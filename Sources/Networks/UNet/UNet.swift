// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Glibc
import Tensors

/// The U-Net of DDPM (Ho et al. 2020) in the form of diffusers' `UNet2DModel`, or with a context that of latent
/// diffusion (Rombach et al. 2022) in the form of `UNet2DConditionModel`, parameter names included.
///
/// Inputs and outputs are rows of height × width × channel; inside, images are blocked. A network with a context is
/// given it as the condition: rows × (tokens · width), the tokens one after another.
public struct UNet: Network {
  /// Residual blocks with their attention, then halving or doubling.
  struct Stage: Sendable {
    var blocks: [ResidualBlock] = []
    var attentions: [SelfAttention] = []
    /// In place of attention, in a network with a context.
    var transformers: [SpatialTransformer] = []
    var convolution: ConvolutionLayer?
    var residual: ResidualBlock?
  }

  /// The name of the embedding of nothing, which diffusers does not know.
  package static let nothingName = ConditionEmbedding.nothingName

  /// What the network is made of.
  public let architecture: UNetArchitecture
  public let layout: ParameterLayout
  /// Whether 3 × 3 convolutions may use Winograd's filtering.
  public let usesWinograd: Bool
  /// N: how many noise levels the network counts.
  public let levels: Int
  /// Initial weights; nil means random.
  private let pretrained: [Float]?
  private let builder: LayerBuilder

  let input, output: ConvolutionLayer
  /// w of the sines and cosines of the noise level, with the factor 2π where there is one.
  let frequencies: [Float]
  let time1, time2: LinearLayer
  let condition: ConditionEmbedding?
  /// The embedding of a second noise level, whose last layer begins as zeros; nil for a network of one.
  let second: (LinearLayer, LinearLayer)?
  let down: [Stage]
  let middle: (ResidualBlock, SelfAttention?, SpatialTransformer?, ResidualBlock)?
  /// The context as features: a position for each token.
  let context: FeatureShape?
  let up: [Stage]
  let norm: NormLayer
  /// What every pixel says of the divergence, from zeros on; nil without one.
  let divergence: ConvolutionLayer?

  /// - Throws: `InputError` for an architecture that cannot be built.
  public init(_ a: UNetArchitecture, winograd: Bool = true, levels: Int = 1000) throws {
    try self.init(a, winograd: winograd, levels: levels, pretrained: nil)
  }

  private init(_ a: UNetArchitecture, winograd: Bool, levels: Int, pretrained: [Float]?) throws {
    try a.check()
    architecture = a
    frequencies = Self.frequencies(a)
    usesWinograd = winograd
    self.levels = levels
    self.pretrained = pretrained
    var builder = LayerBuilder()
    var shape = FeatureShape(ChannelPlaces(a.inputChannels), height: a.height, width: a.width)
    input = builder.convolution(["conv_in"], from: shape, to: ChannelPlaces(a.down[0].channels), kernel: 3)
    shape = input.shape.output
    time1 = builder.linear("time_embedding.linear_1", from: a.timeFeatures, to: a.embeddingWidth)
    time2 = builder.linear("time_embedding.linear_2", from: a.embeddingWidth, to: a.embeddingWidth)
    var condition = ConditionEmbedding(a.condition, width: a.embeddingWidth, &builder)

    func attention(_ name: String, _ shape: FeatureShape, groups: Int?, factor: Double = 1) -> SelfAttention {
      builder.selfAttention(
        name, shape, heads: a.headChannels.map { shape.channels.count / $0 } ?? 1, groups: groups, epsilon: a.epsilon,
        dividedBy: factor)
    }

    let context = a.context.map { FeatureShape(ChannelPlaces($0.width), height: 1, width: $0.tokens) }
    self.context = context
    func transformer(
      _ name: String, _ shape: FeatureShape, _ kind: UNetArchitecture.Transformer?
    ) -> SpatialTransformer? {
      guard let kind, let context else { return nil }
      return builder.spatialTransformer(
        name, shape, context: context, heads: kind.heads, layers: kind.layers, groups: a.groups,
        linear: a.context?.linearProjection ?? false, onlyContext: kind.onlyContext)
    }

    var skips = [shape]
    var down: [Stage] = []
    for (level, stage) in a.down.enumerated() {
      var made = Stage()
      let name = "down_blocks.\(level)"
      for block in 0..<a.blocks {
        made.blocks.append(
          ResidualBlock("\(name).resnets.\(block)", from: shape, to: stage.channels, a, &builder))
        shape = made.blocks[block].output
        if stage.attention {
          made.attentions.append(attention("\(name).attentions.\(block)", shape, groups: a.groups))
        }
        if let asking = transformer("\(name).attentions.\(block)", shape, stage.transformer) {
          made.transformers.append(asking)
        }
        skips.append(shape)
      }
      if level + 1 < a.down.count {
        switch stage.resampling {
        case .convolution:
          let layer = builder.convolution(
            ["\(name).downsamplers.0.conv"], from: shape, to: shape.channels, kernel: 3, stride: 2,
            padding: a.downPadding == 0 ? (0, 1) : (1, 1))
          made.convolution = layer
          shape = layer.shape.output
        case .residual:
          let block = ResidualBlock(
            "\(name).downsamplers.0", from: shape, to: stage.channels, a, resampling: .down, &builder)
          made.residual = block
          shape = block.output
        }
        skips.append(shape)
      }
      down.append(made)
    }
    self.down = down

    if a.hasMiddle {
      let channels = a.down[a.down.count - 1].channels
      let first = ResidualBlock("mid_block.resnets.0", from: shape, to: channels, a, factor: a.middleScale, &builder)
      let attention =
        a.middleAttention
        ? attention("mid_block.attentions.0", shape, groups: a.middleAttentionGroups, factor: a.middleScale) : nil
      let asking = transformer("mid_block.attentions.0", shape, a.middleTransformer)
      let second = ResidualBlock("mid_block.resnets.1", from: shape, to: channels, a, factor: a.middleScale, &builder)
      middle = (first, attention, asking, second)
    } else {
      middle = nil
    }

    var up: [Stage] = []
    for (level, stage) in a.up.enumerated() {
      var made = Stage()
      let name = "up_blocks.\(level)"
      for block in 0...a.blocks {
        let joined = shape.with(shape.channels.followed(by: skips.removeLast().channels))
        made.blocks.append(
          ResidualBlock("\(name).resnets.\(block)", from: joined, to: stage.channels, a, &builder))
        shape = made.blocks[block].output
        if stage.attention {
          made.attentions.append(attention("\(name).attentions.\(block)", shape, groups: a.groups))
        }
        if let asking = transformer("\(name).attentions.\(block)", shape, stage.transformer) {
          made.transformers.append(asking)
        }
      }
      if level + 1 < a.up.count {
        // As many positions as the skip connection has that comes next: one fewer where they were halved from odd ones.
        let large = skips.last.map { shape.at($0.axes) } ?? shape.doubled
        precondition(large == shape.doubled || stage.resampling == .convolution)
        switch stage.resampling {
        case .convolution:
          made.convolution = builder.convolution(
            ["\(name).upsamplers.0.conv"], from: large, to: shape.channels, kernel: 3)
        case .residual:
          made.residual = ResidualBlock(
            "\(name).upsamplers.0", from: shape, to: stage.channels, a, resampling: .up, &builder)
        }
        shape = large
      }
      up.append(made)
    }
    self.up = up
    norm = builder.norm("conv_norm_out", shape, groups: a.groups, epsilon: a.epsilon)
    output = builder.convolution(
      ["conv_out"], from: shape, to: ChannelPlaces(a.outputChannels), kernel: 3, zero: true)
    let (features, width) = (a.timeFeatures, a.embeddingWidth)
    second =
      a.second
      ? (
        builder.linear("second_embedding.linear_1", from: features, to: width),
        builder.zeroLinear("second_embedding.linear_2", from: width, to: width)
      ) : nil
    divergence =
      a.divergence
      ? builder.convolution(["divergence"], from: shape, to: ChannelPlaces(1), kernel: 3, zero: true) : nil
    if a.knowsNothing { condition?.addNothing(&builder) }
    self.condition = condition
    guard builder.layout.count < 1 << 31 else {
      throw InputError("a network of \(builder.layout.parameterCount) parameters; allowed: fewer than 2147483648")
    }
    layout = builder.layout
    self.builder = builder
  }

  /// The same network with weights to begin with, in the layout's order.
  package func beginning(with pretrained: [Float]) throws -> UNet {
    precondition(pretrained.count == layout.count)
    return try UNet(architecture, winograd: usesWinograd, levels: levels, pretrained: pretrained)
  }

  private static func frequencies(_ a: UNetArchitecture) -> [Float] {
    switch a.time {
    case .positional(_, let shift):
      let half = a.timeFeatures / 2
      return (0..<half).map { Float(exp(-log(10_000) * Double($0) / (Double(half) - Double(shift)))) }
    case .fourier(let frequencies, _):
      return frequencies.map { 2 * .pi * $0 }
    }
  }

  // MARK: Network

  public var dimension: Int { architecture.height * architecture.width * architecture.inputChannels }
  public var outputDimension: Int { architecture.height * architecture.width * architecture.outputChannels }
  public var conditionShape: ConditionShape { architecture.condition }
  public var knowsNothing: Bool { condition != nil && architecture.knowsNothing }
  public var takesSecond: Bool { architecture.second }
  public var hasDivergence: Bool { architecture.divergence }
  /// Networks whose output is divided by σ (NCSN++) see x as it is.
  public var takesRawInput: Bool {
    if case .fourier(_, true) = architecture.time { true } else { false }
  }
  public var shardRows: ClosedRange<Int> { 1...max(1, min(32, 8192 / (architecture.height * architecture.width))) }

  /// With a context, 1024 positions: a row of 32 × 32 latents.
  public var evaluationRows: Int {
    context == nil ? shardRows.upperBound : max(1, min(32, 1024 / (architecture.height * architecture.width)))
  }

  public var noiseInput: NoiseLevelInput {
    switch architecture.time {
    case .positional: .discrete(levels)
    case .fourier: .logNoiseToSignal
    }
  }

  /// As DDPM begins: Glorot's uniform weights, zero biases, and zeros in the last convolution of every residual block,
  /// attention and of the network, so that it begins as the zero function.
  public func initialParameters(seed: UInt64) -> [Float] {
    if let pretrained { return pretrained }
    return builder.initialParameters(seed: seed)
  }
}
