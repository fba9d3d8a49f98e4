// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Tensors

/// The encoder and the decoder of a variational autoencoder (Kingma and Welling 2014) in the form of diffusers'
/// `AutoencoderKL` (Rombach et al. 2022), parameter names included.
///
/// Pictures and latent pictures are rows of height × width × channel; inside, they are blocked. As a `Network` it gives
/// the picture that the mean of the latents decodes to.
public struct AutoencoderNetwork: Network {
  /// What the network is made of.
  public let architecture: AutoencoderArchitecture
  public let layout: ParameterLayout
  /// Whether 3 × 3 convolutions may use Winograd's filtering.
  public let usesWinograd: Bool
  private let encoder: Encoder
  private let decoder: Decoder
  private let builder: LayerBuilder
  /// The place of the log variance of what the decoder misses, over `logVarianceScale`.
  private let deviation: Int

  /// The name of the log variance of pictures given their latents, which diffusers does not know: training by a
  /// Gaussian likelihood finds it.
  public static let deviationName = "log_variance"

  /// The log variance is `logVarianceStart` + this × the parameter: an optimiser whose steps are as long as its rate
  /// then reaches it in some hundred steps.
  private static let logVarianceScale: Float = 20
  private static let logVarianceStart: Float = -3

  /// - Parameters:
  ///   - a: what the network is made of.
  ///   - winograd: whether 3 × 3 convolutions may use Winograd's filtering.
  /// - Throws: `InputError` for an architecture that cannot be built.
  public init(_ a: AutoencoderArchitecture, winograd: Bool = true) throws {
    try a.check()
    architecture = a
    usesWinograd = winograd
    var builder = LayerBuilder()
    encoder = Encoder(a, &builder)
    decoder = Decoder(a, &builder)
    deviation = builder.parameter(Self.deviationName, shape: [1], .zeros)
    guard builder.layout.count < 1 << 31 else {
      throw InputError("a network of \(builder.layout.parameterCount) parameters; allowed: fewer than 2147483648")
    }
    layout = builder.layout
    self.builder = builder
  }

  // MARK: Network

  public var dimension: Int { architecture.dimension }
  public var noiseInput: NoiseLevelInput { .time }
  public var shardRows: ClosedRange<Int> { 1...max(1, min(32, 8192 / (architecture.height * architecture.width))) }

  /// Glorot's uniform weights, zero biases, and zeros in the last convolution of every residual block and attention.
  public func initialParameters(seed: UInt64) -> [Float] { builder.initialParameters(seed: seed) }

  public func forward(_ x: Tensor, noiseLevel: Tensor, second: Tensor?, condition: Tensor?, on tape: Tape) -> Tensor {
    decode(encode(x, on: tape).mean, on: tape)
  }

  // MARK: Both ways

  /// The law of the latents of pictures: independent normals.
  /// - Parameters:
  ///   - x: pictures, rows × `architecture.dimension`, values in about [−1, 1].
  ///   - tape: records the operations.
  /// - Returns: mean and log variance, rows × `architecture.latentDimension` each. Whoever uses the log variance cuts
  ///   it to `logVarianceRange`.
  public func encode(_ x: Tensor, on tape: Tape) -> (mean: Tensor, logVariance: Tensor) {
    let all = encoder(x, on: tape)
    let (channels, rows) = (architecture.latentChannels, x.rows)
    // Channels of a position lie together: means, then log variances.
    let positions = tape.reshape(all, rows: rows * all.columns / (2 * channels))
    func part(_ first: Int) -> Tensor {
      tape.reshape(tape.slice(positions, first: first, count: channels), rows: rows)
    }
    let parts = (mean: part(0), logVariance: part(channels))
    tape.recycle(all)
    return parts
  }

  /// What log variances of latents are cut to, as in diffusers.
  public static let logVarianceRange: ClosedRange<Float> = -30...20

  /// Pictures of latents.
  /// - Parameters:
  ///   - z: rows × `architecture.latentDimension`.
  ///   - tape: records the operations.
  /// - Returns: rows × `architecture.dimension`.
  public func decode(_ z: Tensor, on tape: Tape) -> Tensor { decoder(z, on: tape) }

  /// The parameter behind the log variance of pictures given their latents, 1 × 1, with its factor in that.
  public func deviationParameter(on tape: Tape) -> (parameter: Tensor, factor: Float) {
    (tape.parameter(deviation), Self.logVarianceScale)
  }

  /// The log variance of a picture's values given its latents, that a parameter stands for.
  public static func logVariance(_ parameter: Float) -> Float { logVarianceStart + logVarianceScale * parameter }
}

extension AutoencoderNetwork {
  /// Pictures to means and log variances, side by side in the channels.
  private struct Encoder: Sendable {
    private let input, output: ConvolutionLayer
    private let projection: ConvolutionLayer?
    private var stages: [(blocks: [AutoencoderBlock], halving: ConvolutionLayer?)] = []
    private let middle: AutoencoderMiddle
    private let norm: NormLayer

    init(_ a: AutoencoderArchitecture, _ builder: inout LayerBuilder) {
      var shape = FeatureShape(ChannelPlaces(a.channels), height: a.height, width: a.width)
      input = builder.convolution(["encoder.conv_in"], from: shape, to: ChannelPlaces(a.stages[0]), kernel: 3)
      shape = input.shape.output
      for (level, channels) in a.stages.enumerated() {
        let name = "encoder.down_blocks.\(level)"
        var blocks: [AutoencoderBlock] = []
        for block in 0..<a.blocks {
          blocks.append(
            AutoencoderBlock("\(name).resnets.\(block)", from: shape, to: channels, groups: a.groups, &builder))
          shape = blocks[block].output
        }
        var halving: ConvolutionLayer?
        if level + 1 < a.stages.count {
          // One row and column of zeros below and on the right.
          let layer = builder.convolution(
            ["\(name).downsamplers.0.conv"], from: shape, to: shape.channels, kernel: 3, stride: 2, padding: (0, 1))
          halving = layer
          shape = layer.shape.output
        }
        stages.append((blocks, halving))
      }
      middle = AutoencoderMiddle("encoder.mid_block", shape, a, &builder)
      norm = builder.norm(
        "encoder.conv_norm_out", shape, groups: a.groups, epsilon: AutoencoderArchitecture.epsilon)
      let places = ChannelPlaces(2 * a.latentChannels)
      output = builder.convolution(["encoder.conv_out"], from: shape, to: places, kernel: 3)
      projection =
        a.encoderProjection
        ? builder.convolution(["quant_conv"], from: output.shape.output, to: places, kernel: 1) : nil
    }

    func callAsFunction(_ x: Tensor, on tape: Tape) -> Tensor {
      var h = Path(tape.blocked(x, input.shape.input), on: tape)
      h.step { input($0, on: tape) }
      for stage in stages {
        for block in stage.blocks { h.step { block($0, on: tape) } }
        if let halving = stage.halving { h.step { halving($0, on: tape) } }
      }
      middle.step(&h, on: tape)
      h.step { norm($0, silu: true, on: tape) }
      h.step { output($0, on: tape) }
      if let projection { h.step { projection($0, on: tape) } }
      h.step { tape.unblocked($0, output.shape.output) }
      return h.value
    }
  }

  /// Latents to pictures.
  private struct Decoder: Sendable {
    private let input, output: ConvolutionLayer
    private let projection: ConvolutionLayer?
    private let middle: AutoencoderMiddle
    private var stages: [(blocks: [AutoencoderBlock], doubling: ConvolutionLayer?)] = []
    private let norm: NormLayer
    private let latents: FeatureShape

    init(_ a: AutoencoderArchitecture, _ builder: inout LayerBuilder) {
      latents = FeatureShape(ChannelPlaces(a.latentChannels), height: a.latentHeight, width: a.latentWidth)
      projection =
        a.decoderProjection
        ? builder.convolution(["post_quant_conv"], from: latents, to: latents.channels, kernel: 1) : nil
      let coarsest = a.stages[a.stages.count - 1]
      input = builder.convolution(["decoder.conv_in"], from: latents, to: ChannelPlaces(coarsest), kernel: 3)
      var shape = input.shape.output
      middle = AutoencoderMiddle("decoder.mid_block", shape, a, &builder)
      for (level, channels) in a.stages.reversed().enumerated() {
        let name = "decoder.up_blocks.\(level)"
        var blocks: [AutoencoderBlock] = []
        for block in 0...a.blocks {
          blocks.append(
            AutoencoderBlock("\(name).resnets.\(block)", from: shape, to: channels, groups: a.groups, &builder))
          shape = blocks[block].output
        }
        var doubling: ConvolutionLayer?
        if level + 1 < a.stages.count {
          shape = shape.doubled
          doubling = builder.convolution(
            ["\(name).upsamplers.0.conv"], from: shape, to: shape.channels, kernel: 3)
        }
        stages.append((blocks, doubling))
      }
      norm = builder.norm(
        "decoder.conv_norm_out", shape, groups: a.groups, epsilon: AutoencoderArchitecture.epsilon)
      output = builder.convolution(["decoder.conv_out"], from: shape, to: ChannelPlaces(a.channels), kernel: 3)
    }

    func callAsFunction(_ z: Tensor, on tape: Tape) -> Tensor {
      var h = Path(tape.blocked(z, latents), on: tape)
      if let projection { h.step { projection($0, on: tape) } }
      h.step { input($0, on: tape) }
      middle.step(&h, on: tape)
      for stage in stages {
        for block in stage.blocks { h.step { block($0, on: tape) } }
        guard let doubling = stage.doubling else { continue }
        h.step { tape.upsampleNearest($0, doubling.shape.input.halved) }
        h.step { doubling($0, on: tape) }
      }
      h.step { norm($0, silu: true, on: tape) }
      h.step { output($0, on: tape) }
      h.step { tape.unblocked($0, output.shape.output) }
      return h.value
    }
  }
}
