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

  /// The layers between two resamplings.
  public struct Stage: Sendable, Equatable {
    /// The channels of its residual blocks.
    public var channels: Int
    /// Whether attention follows each residual block.
    public var attention: Bool
    /// How it is halved on the way down, or doubled on the way up.
    public var resampling: Resampling

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

  /// - Throws: `InputError` for numbers that no image network has, before anything is made of them.
  public func checkCounts() throws {
    func check(_ value: Int, _ range: ClosedRange<Int>, _ name: String) throws {
      guard range.contains(value) else {
        throw InputError("\(name): \(value); allowed: \(range.lowerBound) to \(range.upperBound)")
      }
    }
    try check(down.count, 1...16, "stages")
    try check(blocks, 1...64, "blocks of a stage")
    try check(height, 1...4096, "pixels of height")
    try check(width, 1...4096, "pixels of width")
    try check(inputChannels, 1...4096, "image channels")
    for stage in down + up { try check(stage.channels, 1...16_384, "channels of a stage") }
    try check(timeWidth ?? 1, 1...65_536, "width of the time embedding")
    switch condition {
    case .nothing: break
    case .classes(let count): try check(count, 1...1_000_000, "classes")
    case .numbers(let count): try check(count, 1...65_536, "numbers of a condition")
    case .both(let classes, let count):
      try check(classes, 1...1_000_000, "classes")
      try check(count, 1...65_536, "numbers of a condition")
    case .text: throw InputError("a condition that is text; allowed: classes or numbers")
    }
    guard epsilon > 0, epsilon.isFinite else {
      throw InputError("a normalisation's epsilon: \(epsilon); allowed: above 0")
    }
    guard middleScale > 0, middleScale.isFinite else {
      throw InputError("sums of the middle divided by \(middleScale); allowed: above 0")
    }
    guard (0..<1).contains(dropout) else { throw InputError("dropout: \(dropout); allowed: 0 to below 1") }
  }

  /// - Throws: `InputError` for what cannot be built.
  public func check() throws {
    try checkCounts()
    guard down.count == up.count, down.map(\.channels) == up.map(\.channels).reversed() else {
      throw InputError("stages down and up do not match")
    }
    guard inputChannels == outputChannels else {
      throw InputError("\(inputChannels) image channels in and \(outputChannels) out; allowed: as many")
    }
    let halvings = 1 << (down.count - 1)
    guard height % halvings == 0, width % halvings == 0 else {
      throw InputError(
        "\(down.count) stages halve \(height) × \(width) pixels \(down.count - 1) times; "
          + "allowed: multiples of \(halvings)")
    }
    guard down[0].channels % 2 == 0 else {
      throw InputError("the first stage has \(down[0].channels) channels; allowed: an even number")
    }
    if case .positional(_, let shift) = time, shift >= down[0].channels / 2 {
      throw InputError(
        "\(down[0].channels) channels in the first stage leave too few frequencies; allowed: \(2 * shift + 2) or more")
    }
    for (level, stage) in down.enumerated() {
      let pixels = (height >> level) * (width >> level)
      let last = level == down.count - 1
      if stage.attention || up[up.count - 1 - level].attention || (last && hasMiddle && middleAttention) {
        guard pixels <= 16_384 else {
          throw InputError("attention between \(pixels) pixels; allowed: 16384. More stages halve the image further")
        }
      }
    }
    guard downPadding == 0 || downPadding == 1 else {
      throw InputError("downsampling pads by \(downPadding); allowed: 0 or 1")
    }
    for stage in down {
      guard groups > 0, stage.channels % groups == 0 else {
        throw InputError("\(stage.channels) channels are not \(groups) equal groups")
      }
      let attends = stage.attention || (stage == down.last && hasMiddle && middleAttention)
      if let head = headChannels, attends || up.contains(where: { $0.channels == stage.channels && $0.attention }) {
        guard head > 0, stage.channels % head == 0 else {
          throw InputError("\(stage.channels) channels are not whole attention heads of \(head)")
        }
      }
    }
    // Sums of channels meet a group normalisation on the way up.
    for (first, second) in skipSums() {
      guard (first + second) % groups == 0 else {
        throw InputError("\(first) + \(second) channels are not \(groups) equal groups")
      }
    }
    if let groups = middleAttentionGroups, hasMiddle, middleAttention {
      guard groups > 0, down[down.count - 1].channels % groups == 0 else {
        throw InputError("\(down[down.count - 1].channels) channels are not \(groups) equal groups")
      }
    }
  }

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
