// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Tensors

/// What a U-Net is made of: the options of diffusers' `UNet2DModel`, in its terms.
public struct UNetArchitecture: Sendable, Equatable {
  /// How pixels are halved and doubled between stages.
  public enum Resampling: String, Sendable, CaseIterable {
    /// A convolution of stride 2 down; nearest upsampling and a convolution up.
    case convolution
    /// A residual block that averages or repeats pixels (score_sde, BigGAN).
    case residual
  }

  /// How the network sees the noise level.
  public enum TimeEmbedding: Sendable, Equatable {
    /// Sines and cosines of the noise level (Vaswani et al. 2017). `flipped`: cosines first; frequencies
    /// 10000^{−k/(half − shift)}.
    case positional(flipped: Bool, shift: Int)
    /// Sines and cosines of 2π w ln(σ/m) (Tancik et al. 2020). `dividesOutput`: the output is divided by σ/m.
    case fourier(frequencies: [Float], dividesOutput: Bool)
  }

  /// What positions ask beside each other: the tokens of a text, a row of numbers each.
  public struct Context: Sendable, Equatable {
    /// How many tokens there are.
    public var tokens: Int
    /// How many numbers a token has.
    public var width: Int
    /// Whether the weights before and after a transformer's blocks are called [out, in] in checkpoints (Stable
    /// Diffusion 2), not [out, in, 1, 1] (Stable Diffusion 1).
    public var linearProjection = false

    /// So many tokens of so many numbers.
    public init(tokens: Int, width: Int) { (self.tokens, self.width) = (tokens, width) }
  }

  /// A transformer over the positions of an image, which asks the context.
  public struct Transformer: Sendable, Equatable {
    /// How many blocks it has.
    public var layers: Int
    /// Equal parts of the channels that attend by themselves.
    public var heads: Int
    /// Whether positions ask the context alone, and not each other.
    public var onlyContext = false

    /// So many blocks of so many heads.
    public init(layers: Int, heads: Int) { (self.layers, self.heads) = (layers, heads) }
  }

  /// The layers between two resamplings.
  public struct Stage: Sendable, Equatable {
    /// The channels of its residual blocks.
    public var channels: Int
    /// Whether attention follows each residual block.
    public var attention: Bool
    /// How it is halved on the way down, or doubled on the way up.
    public var resampling: Resampling
    /// What follows each residual block in place of attention, in networks with a context; nil: nothing.
    public var transformer: Transformer?

    /// A stage of so many channels.
    public init(channels: Int, attention: Bool, resampling: Resampling) {
      self.channels = channels
      self.attention = attention
      self.resampling = resampling
    }
  }

  /// The size of an image in pixels, and its channels before and after the network.
  public var height, width, inputChannels, outputChannels: Int
  /// From the finest down.
  public var down: [Stage]
  /// From the coarsest up.
  public var up: [Stage]
  /// Residual blocks of a stage; one more on the way up.
  public var blocks = 2
  /// The groups of normalisations, which divide the channels of every stage.
  public var groups = 32
  /// Added to variances in normalisations.
  public var epsilon = 1e-5
  /// Channels of an attention head; nil: one head.
  public var headChannels: Int?
  /// What positions ask beside each other; nil: nothing. Then no stage has a transformer.
  public var context: Context?
  /// What lies between the middle's two residual blocks in place of attention, in networks with a context; nil:
  /// nothing.
  public var middleTransformer: Transformer?
  /// Whether the middle has attention, and its normalisation's groups (nil: none).
  public var middleAttention = true
  /// The groups of the normalisation before the middle's attention; nil: none.
  public var middleAttentionGroups: Int? = 32
  /// Whether there is a middle: two residual blocks between the ways down and up.
  public var hasMiddle = true
  /// Residual sums of the middle are divided by this.
  public var middleScale = 1.0
  /// The time embedding scales and shifts normalised values, instead of shifting them before.
  public var scaleShift = false
  /// How the network sees the noise level.
  public var time = TimeEmbedding.positional(flipped: false, shift: 1)
  /// The width of the time embedding; nil: 4 × the first stage's channels.
  public var timeWidth: Int?
  /// Zeros around the input of a convolution of stride 2; 0: one row and column below and on the right.
  public var downPadding = 1
  /// The share of activations dropped in training, 0 to below 1.
  public var dropout = 0.0
  /// What the network is told of each image.
  public var condition = ConditionShape.nothing
  /// Whether the network has an embedding for a condition that was dropped; diffusers' networks have none.
  public var knowsNothing = true
  /// Whether the network is told a second noise level, whose embedding is added to that of the first.
  public var second = false
  /// Whether the network has a second output, the mean divergence of its flow: of one that is told a second noise
  /// level.
  public var divergence = false
  /// x ↦ 2x − 1 first.
  public var centresInput = false

  /// - Parameters:
  ///   - height: of an image, in pixels.
  ///   - width: of an image, in pixels.
  ///   - inputChannels: of an image before the network.
  ///   - outputChannels: of an image after it.
  ///   - down: the stages from the finest down.
  ///   - up: the stages from the coarsest up, as many.
  public init(height: Int, width: Int, inputChannels: Int, outputChannels: Int, down: [Stage], up: [Stage]) {
    self.height = height
    self.width = width
    self.inputChannels = inputChannels
    self.outputChannels = outputChannels
    self.down = down
    self.up = up
  }

  /// A symmetric U-Net.
  /// - Parameters:
  ///   - height: of an image, in pixels.
  ///   - width: of an image, in pixels.
  ///   - channels: of an image, before and after.
  ///   - widths: the channels of each stage, from the finest down; each stage halves the image.
  ///   - blocks: residual blocks of a stage.
  ///   - attention: the heights, in pixels, at which stages have attention.
  ///   - resampling: how images are halved and doubled between stages.
  public init(
    height: Int, width: Int, channels: Int, widths: [Int], blocks: Int, attention: [Int], resampling: Resampling
  ) {
    let stages = widths.enumerated().map { level, width in
      Stage(channels: width, attention: attention.contains(height >> level), resampling: resampling)
    }
    self.init(
      height: height, width: width, inputChannels: channels, outputChannels: channels, down: stages,
      up: stages.reversed())
    self.blocks = blocks
  }

  var timeFeatures: Int {
    switch time {
    case .positional: down[0].channels
    case .fourier(let frequencies, _): 2 * frequencies.count
    }
  }

  var embeddingWidth: Int { timeWidth ?? 4 * down[0].channels }

  /// Channels that meet at each residual block on the way up: those of the path, and those of the skip connection.
  public func skipSums() -> [(Int, Int)] {
    var skips = [down[0].channels]
    for (level, stage) in down.enumerated() {
      skips += Array(repeating: stage.channels, count: blocks + (level + 1 < down.count ? 1 : 0))
    }
    var path = down[down.count - 1].channels
    var sums: [(Int, Int)] = []
    for stage in up {
      for _ in 0...blocks {
        sums.append((path, skips.removeLast()))
        path = stage.channels
      }
    }
    return sums
  }
}
