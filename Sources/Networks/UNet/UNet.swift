// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Glibc
import Tensors

/// The U-Net of DDPM (Ho et al. 2020) in the form of diffusers' `UNet2DModel`, parameter names included.
///
/// Inputs and outputs are rows of height × width × channel; inside, images are blocked.
public struct UNet: Network {
  /// Residual blocks with their attention, then halving or doubling.
  struct Stage: Sendable {
    var blocks: [ResidualBlock] = []
    var attentions: [SelfAttention] = []
    var convolution: ConvolutionLayer?
    var residual: ResidualBlock?
  }

  /// The name of the embedding of nothing, which diffusers does not know.
  package static let nothingName = "nothing_embedding.weight"

  public let architecture: UNetArchitecture
  public let layout: ParameterLayout
  /// Whether 3 × 3 convolutions may use Winograd's filtering.
  public let usesWinograd: Bool
  /// N: how many noise levels the network counts.
  public let levels: Int
  /// Initial weights; nil means random.
  private let pretrained: [Float]?
  private let beginnings: [String: LayerBuilder.Beginning]

  private let input, output: ConvolutionLayer
  private let time1, time2: LinearLayer
  private let condition: ConditionEmbedding?
  private let down: [Stage]
  private let middle: (ResidualBlock, SelfAttention?, ResidualBlock)?
  private let up: [Stage]
  private let norm: NormLayer

  /// - Throws: `InputError` for an architecture that cannot be built.
  public init(_ a: UNetArchitecture, winograd: Bool = true, levels: Int = 1000) throws {
    try self.init(a, winograd: winograd, levels: levels, pretrained: nil)
  }

  private init(_ a: UNetArchitecture, winograd: Bool, levels: Int, pretrained: [Float]?) throws {
    try a.check()
    architecture = a
    usesWinograd = winograd
    self.levels = levels
    self.pretrained = pretrained
    var builder = LayerBuilder()
    var shape = FeatureShape(ChannelPlaces(a.inputChannels), height: a.height, width: a.width)
    input = builder.convolution(["conv_in"], from: shape, to: ChannelPlaces(a.down[0].channels), kernel: 3)
    shape = input.shape.output
    time1 = builder.linear("time_embedding.linear_1", from: a.timeFeatures, to: nil, a.embeddingWidth)
    time2 = builder.linear("time_embedding.linear_2", from: a.embeddingWidth, to: nil, a.embeddingWidth)
    var condition = ConditionEmbedding(a.condition, width: a.embeddingWidth, &builder)

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
          made.attentions.append(SelfAttention("\(name).attentions.\(block)", shape, a, groups: a.groups, &builder))
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
        ? SelfAttention(
          "mid_block.attentions.0", shape, a, groups: a.middleAttentionGroups, factor: a.middleScale, &builder)
        : nil
      let second = ResidualBlock("mid_block.resnets.1", from: shape, to: channels, a, factor: a.middleScale, &builder)
      middle = (first, attention, second)
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
          made.attentions.append(SelfAttention("\(name).attentions.\(block)", shape, a, groups: a.groups, &builder))
        }
      }
      if level + 1 < a.up.count {
        let large = FeatureShape(shape.channels, height: 2 * shape.height, width: 2 * shape.width)
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
    if a.knowsNothing { condition?.addNothing(&builder) }
    self.condition = condition
    guard builder.layout.count < 1 << 31 else {
      throw InputError("a network of \(builder.layout.parameterCount) parameters; allowed: fewer than 2147483648")
    }
    layout = builder.layout
    beginnings = builder.beginnings
  }

  /// The same network with weights to begin with, in the layout's order.
  package func beginning(with pretrained: [Float]) throws -> UNet {
    precondition(pretrained.count == layout.count)
    return try UNet(architecture, winograd: usesWinograd, levels: levels, pretrained: pretrained)
  }

  // MARK: Network

  public var dimension: Int { architecture.height * architecture.width * architecture.inputChannels }
  public var conditionShape: ConditionShape { architecture.condition }
  public var knowsNothing: Bool { condition != nil && architecture.knowsNothing }
  /// Networks whose output is divided by σ (NCSN++) see x as it is.
  public var takesRawInput: Bool {
    if case .fourier(_, true) = architecture.time { true } else { false }
  }
  public var shardRows: ClosedRange<Int> { 1...max(1, min(32, 8192 / (architecture.height * architecture.width))) }

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
    return layout.initialValues(beginnings, from: NoiseStream(seed: seed, purpose: .weights))
  }

  public func forward(_ x: Tensor, noiseLevel: Tensor, second: Tensor?, condition: Tensor?, on tape: Tape) -> Tensor {
    precondition(second == nil, "a network of one noise level")
    let embedding = tape.silu(embed(noiseLevel, condition, rows: x.rows, on: tape))
    var skips: [Tensor] = []
    skips.reserveCapacity(64)
    let image = tape.blocked(architecture.centresInput ? centred(x, on: tape) : x, input.shape.input)
    var h = input(image, on: tape)
    tape.recycle(image)
    skips.append(h)
    for stage in down {
      for (index, block) in stage.blocks.enumerated() {
        h = block(h, embedding: embedding, on: tape)
        if !stage.attentions.isEmpty { h = replaced(h, by: stage.attentions[index], on: tape) }
        skips.append(h)
      }
      if let layer = stage.convolution { h = layer(h, on: tape) }
      if let block = stage.residual { h = block(h, embedding: embedding, on: tape) }
      if stage.convolution != nil || stage.residual != nil { skips.append(h) }
    }
    // The last skip connection is still to be read; everything after it is nobody else's.
    var owned = false
    func next(_ value: Tensor) {
      if owned { tape.recycle(h) }
      h = value
      owned = true
    }
    if let (first, attention, second) = middle {
      next(first(h, embedding: embedding, on: tape))
      if let attention { next(attention(h, on: tape)) }
      next(second(h, embedding: embedding, on: tape))
    }
    for stage in up {
      for (index, block) in stage.blocks.enumerated() {
        let skip = skips.removeLast()
        next(tape.concatenate(h, skip))
        tape.recycle(skip)
        next(block(h, embedding: embedding, on: tape))
        if !stage.attentions.isEmpty { next(stage.attentions[index](h, on: tape)) }
      }
      if let layer = stage.convolution {
        let small = layer.shape.input
        next(
          tape.repeatPixels(
            h, FeatureShape(small.channels, height: small.height / 2, width: small.width / 2)))
        next(layer(h, on: tape))
      }
      if let block = stage.residual { next(block(h, embedding: embedding, on: tape)) }
    }
    next(norm(h, silu: true, on: tape))
    next(output(h, on: tape))
    let rows = tape.unblocked(h, output.shape.output)
    tape.recycle(h)
    return divided(rows, by: noiseLevel, on: tape)
  }

  private func replaced(_ h: Tensor, by attention: SelfAttention, on tape: Tape) -> Tensor {
    let out = attention(h, on: tape)
    tape.recycle(h)
    return out
  }

  private func centred(_ x: Tensor, on tape: Tape) -> Tensor {
    let ones = tape.constant(rows: 1, columns: x.columns)
    ones.values.update(repeating: -1, count: ones.count)
    return tape.addBias(tape.scale(x, by: 2), ones)
  }

  /// The output divided by σ/m, where the architecture says so.
  private func divided(_ x: Tensor, by noiseLevel: Tensor, on tape: Tape) -> Tensor {
    guard case .fourier(_, true) = architecture.time else { return x }
    let inverse = tape.constant(rows: x.rows, columns: 1)
    for i in 0..<x.rows { inverse.values[i] = exp(-noiseLevel.values[noiseLevel.rows == 1 ? 0 : i]) }
    return tape.scaleRows(x, by: inverse)
  }

  /// The embedding of the noise level and of the condition: one row for all images where both are shared.
  private func embed(_ noiseLevel: Tensor, _ told: Tensor?, rows: Int, on tape: Tape) -> Tensor {
    let features = timeFeatures(noiseLevel, on: tape)
    let embedded = time2(tape.silu(time1(features, on: tape)), on: tape)
    guard let condition else { return embedded }
    let known = condition(told, on: tape)
    return tape.sum(1, embedded.rows == rows ? embedded : tape.repeatRow(embedded, rows: rows), 1, known)
  }

  private func timeFeatures(_ noiseLevel: Tensor, on tape: Tape) -> Tensor {
    func row(_ values: [Float]) -> Tensor {
      let row = tape.constant(rows: 1, columns: values.count)
      values.withUnsafeBufferPointer { row.values.update(from: $0.baseAddress!, count: $0.count) }
      return row
    }
    switch architecture.time {
    case .positional(let flipped, let shift):
      let half = architecture.timeFeatures / 2
      let waves = tape.sinusoids(
        noiseLevel,
        frequencies: row(
          (0..<half).map { Float(exp(-log(10_000) * Double($0) / (Double(half) - Double(shift)))) }))
      guard flipped else { return waves }
      return tape.concatenate(
        tape.slice(waves, first: half, count: half), tape.slice(waves, first: 0, count: half))
    case .fourier(let frequencies, _):
      return tape.sinusoids(noiseLevel, frequencies: row(frequencies.map { 2 * .pi * $0 }))
    }
  }
}
