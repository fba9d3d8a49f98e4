// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Tensors

/// A network of images that sees further channels beside x, the same for every row: what is known of a picture that is
/// painted anew (the mask, and the latents of the rest). As a network it has the channels of x alone.
public struct ChannelsBeside: NetworkWrapper {
  /// The network that sees all channels.
  public let inner: any Network
  /// The further channels, pixels × channels.
  public let beside: [Float]
  private let pixels: Int

  /// - Parameters:
  ///   - inner: a network of rows of pixels × all channels, with an output of fewer.
  ///   - beside: pixels × further channels, which come after those of x.
  ///   - pixels: how many there are.
  /// - Precondition: its dimension is that of its output and of `beside` together.
  public init(_ inner: any Network, beside: [Float], pixels: Int) {
    let further = inner.dimension - inner.outputDimension
    precondition(further == beside.count && further % pixels == 0, "other channels")
    (self.inner, self.beside, self.pixels) = (inner, beside, pixels)
  }

  public var dimension: Int { inner.outputDimension }
  public var layout: ParameterLayout { inner.layout }

  public func initialParameters(seed: UInt64) -> [Float] { inner.initialParameters(seed: seed) }

  public func forward(_ x: Tensor, noiseLevel: Tensor, second: Tensor?, condition: Tensor?, on tape: Tape) -> Tensor {
    inner.forward(both(x, tape), noiseLevel: noiseLevel, second: second, condition: condition, on: tape)
  }

  public func forwardWithDivergence(
    _ x: Tensor, noiseLevel: Tensor, second: Tensor?, condition: Tensor?, on tape: Tape
  ) -> Tensor {
    inner.forwardWithDivergence(both(x, tape), noiseLevel: noiseLevel, second: second, condition: condition, on: tape)
  }

  /// All channels of the rows of x.
  private func both(_ x: Tensor, _ tape: Tape) -> Tensor {
    let known = tape.constant(rows: x.rows * pixels, columns: beside.count / pixels)
    beside.withUnsafeBufferPointer { source in
      guard let base = source.baseAddress else { return }
      for row in 0..<x.rows { (known.values + row * beside.count).update(from: base, count: beside.count) }
    }
    return tape.reshape(tape.concatenate(tape.reshape(x, rows: x.rows * pixels), known), rows: x.rows)
  }
}
