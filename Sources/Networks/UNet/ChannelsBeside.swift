// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Tensors

/// A network of images that sees further channels beside x, the same for every row: what is known of a picture that is
/// painted anew (the mask, and the latents of the rest). As a network it has the channels of x alone.
public struct ChannelsBeside: Network {
  /// The network that sees all channels.
  public let base: any Network
  /// The further channels, pixels × channels.
  public let beside: [Float]
  private let pixels: Int

  /// - Parameters:
  ///   - base: a network of rows of pixels × all channels, with an output of fewer.
  ///   - beside: pixels × further channels, which come after those of x.
  ///   - pixels: how many there are.
  /// - Precondition: base.dimension is that of base's output and of `beside` together.
  public init(_ base: any Network, beside: [Float], pixels: Int) {
    precondition(base.dimension == base.outputDimension + beside.count && beside.count % pixels == 0, "other channels")
    (self.base, self.beside, self.pixels) = (base, beside, pixels)
  }

  public var dimension: Int { base.outputDimension }
  public var outputDimension: Int { base.outputDimension }
  public var layout: ParameterLayout { base.layout }
  public var noiseInput: NoiseLevelInput { base.noiseInput }
  public var conditionShape: ConditionShape { base.conditionShape }
  public var knowsNothing: Bool { base.knowsNothing }
  public var takesSecond: Bool { base.takesSecond }
  public var takesRawInput: Bool { base.takesRawInput }
  public var shardRows: ClosedRange<Int> { base.shardRows }
  public var evaluationRows: Int { base.evaluationRows }
  public var usesWinograd: Bool { base.usesWinograd }

  public func initialParameters(seed: UInt64) -> [Float] { base.initialParameters(seed: seed) }

  public func forward(
    _ x: Tensor, noiseLevel: Tensor, second: Tensor?, condition: Tensor?, on tape: Tape
  ) -> Tensor {
    let known = tape.constant(rows: x.rows * pixels, columns: beside.count / pixels)
    beside.withUnsafeBufferPointer { source in
      guard let base = source.baseAddress else { return }
      for row in 0..<x.rows { (known.values + row * beside.count).update(from: base, count: beside.count) }
    }
    let both = tape.concatenate(tape.reshape(x, rows: x.rows * pixels), known)
    return base.forward(
      tape.reshape(both, rows: x.rows), noiseLevel: noiseLevel, second: second, condition: condition, on: tape)
  }
}
