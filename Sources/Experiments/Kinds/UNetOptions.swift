// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Models
import Networks

/// The options of a U-Net, for the kinds of networks that have one.
struct UNetOptions {
  private enum Time: String, CaseIterable { case positional, fourier }

  private let widths, attention: [Int]
  private let blocks, head, groups: Int
  private let time: Time
  private let scale: Double
  private let scaleShift, outputScale: Bool
  private let resampling: UNetArchitecture.Resampling
  private let dropout: Double
  /// Blocks of a transformer, of a network with a context; nil without one.
  private let layers: Int?

  /// - Parameters:
  ///   - options: asked for what a U-Net is made of.
  ///   - hasContext: whether positions ask a context, by transformers in place of self-attention.
  init(_ options: Options, hasContext: Bool) throws {
    widths = try options.integers(
      "channels", default: [64, 128, 128], atLeast: 1, "of each stage; every further stage halves the image")
    blocks = try options.integer("blocks", default: 2, atLeast: 1, atMost: 100, "residual blocks of a stage")
    attention = try options.integers(
      "attention", default: [16], atLeast: 0,
      hasContext
        ? "heights of image, in pixels, at which stages attend to themselves and to the text"
        : "heights of image, in pixels, at which stages have self-attention")
    layers =
      hasContext
      ? try options.integer(
        "transformer_blocks", default: 1, atLeast: 1, atMost: 64, "blocks of each transformer over image and text")
      : nil
    head = try options.integer("head_channels", default: 0, atLeast: 0, "channels of an attention head; 0: one head")
    groups = try options.integer(
      "groups", default: 0, atLeast: 0, "of normalisations; 0: the most up to 32 that fit")
    let time = try options.choice(
      "time", default: Time.positional, "features of 1000 t/T − 1 (positional) or of ln(σ/m) (fourier)")
    self.time = time
    scale = try options.only(if: time == .fourier, needs: "time: fourier") {
      try options.number("scale", default: 0.2, in: .positive, "the spread of fourier frequencies")
    }
    scaleShift = try options.flag(
      "scale_shift", default: false, "the time embedding scales and shifts normalised values, not only shifts before")
    resampling = try options.choice(
      "resampling", default: UNetArchitecture.Resampling.convolution,
      "strided convolutions, or residual blocks that average and repeat pixels")
    outputScale = try options.flag("scale_output", default: false, "divide the output by σ/m; fourier time only")
    dropout = try options.number(
      "dropout", default: 0, in: .from(0, below: 1), "share of values dropped in training")
    guard !outputScale || time == .fourier else {
      throw options.wrong("scale_output", "needs time: fourier")
    }
  }

  /// The architecture for data.
  /// - Parameters:
  ///   - data: images.
  ///   - condition: what the network is told of each row beside a context.
  ///   - context: what positions ask; for options with a context.
  ///   - seed: draws fourier frequencies.
  /// - Throws: `InputError` for data that is no images, or of a size that the stages do not fit.
  func architecture(
    for data: DataShape, told condition: ConditionShape = .nothing, context: UNetArchitecture.Context? = nil,
    seed: UInt64
  ) throws -> UNetArchitecture {
    precondition((context == nil) == (layers == nil), "options with a context for a network with one")
    guard let image = data.image else { throw InputError("a U-Net is for images; the data has \(data.text)") }
    var a = UNetArchitecture(
      height: image.height, width: image.width, channels: image.channels, widths: widths, blocks: blocks,
      attention: attention, resampling: resampling)
    let heights = a.down.indices.map { image.height >> $0 }
    // 0 stands for no attention, and the default for heights that small images do not have.
    if attention != [16], let height = attention.first(where: { $0 > 0 && !heights.contains($0) }) {
      throw InputError("attention has no effect at height \(height); its stages have heights \(heights)")
    }
    a.headChannels = head == 0 ? nil : head
    try a.checkCounts()
    let sums = a.down.map(\.channels) + a.skipSums().map { $0 + $1 }
    a.groups = groups > 0 ? groups : (1...32).last { count in sums.allSatisfy { $0 % count == 0 } } ?? 1
    a.scaleShift = scaleShift
    a.middleAttentionGroups = scaleShift ? nil : a.groups
    if time == .fourier {
      a.time = .fourier(
        frequencies: TimeFeatures.turns(widths[0], scale: scale, seed: seed), dividesOutput: outputScale)
    }
    a.dropout = dropout
    a.condition = condition
    if let context, let layers { try ask(context, layers: layers, in: &a) }
    return a
  }

  /// Transformers that ask a context in place of attention, and one in the middle.
  private func ask(_ context: UNetArchitecture.Context, layers: Int, in a: inout UNetArchitecture) throws {
    func transformer(_ channels: Int) throws -> UNetArchitecture.Transformer {
      guard head == 0 || channels % head == 0 else {
        throw InputError("\(channels) channels are not whole attention heads of \(head)")
      }
      return .init(layers: layers, heads: head == 0 ? 1 : channels / head)
    }
    func asking(_ stage: UNetArchitecture.Stage) throws -> UNetArchitecture.Stage {
      guard stage.attention else { return stage }
      var stage = stage
      stage.attention = false
      stage.transformer = try transformer(stage.channels)
      return stage
    }
    a.context = context
    (a.down, a.up) = (try a.down.map(asking), try a.up.map(asking))
    a.middleTransformer = try transformer(widths[widths.count - 1])
    (a.middleAttention, a.middleAttentionGroups, a.headChannels) = (false, nil, nil)
  }
}
