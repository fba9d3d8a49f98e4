// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Pairs
import Tensors
import TestSupport
import Testing

/// Two runs of channels that do not fill their blocks.
private let odd = ChannelPlaces([5, 18])
private let small = FeatureShape(odd, height: 3, width: 2)
private let wide = ConvolutionShape(
  from: FeatureShape(ChannelPlaces(20), height: 5, width: 4), to: ChannelPlaces(3), kernel: 3, padding: (1, 1))
private let strided = ConvolutionShape(
  from: FeatureShape(ChannelPlaces(3), height: 4, width: 4), to: ChannelPlaces(3), kernel: 3, stride: 2, padding: (0, 1)
)
private let attention = AttentionShape(channels: ChannelPlaces(6), positions: 5, heads: 2)

private let across = AttentionShape(channels: ChannelPlaces(6), queries: 3, keys: 4, heads: 2)
private let line = FeatureShape(odd, [3])
private let volume = FeatureShape(ChannelPlaces(3), [1, 2, 1])
/// Convolutions along other axes than an image's two: with a stride, with another kernel on each axis, at one position.
private let others: [(ConvolutionShape, Int)] = [
  (ConvolutionShape(from: FeatureShape(odd, [7]), to: ChannelPlaces(20), kernel: 3, stride: 2, padding: (1, 1)), 3),
  (
    ConvolutionShape(
      from: FeatureShape(odd, [3, 4, 5]), to: ChannelPlaces(3), kernel: [1, 2, 3], stride: [1, 2, 1],
      padding: ([0, 1, 1], [0, 0, 1])), 2
  ),
  (ConvolutionShape(from: FeatureShape(odd, []), to: ChannelPlaces(3), kernel: 1, padding: (0, 0)), 4),
]

@Suite("Image operations") struct ImageTapeTests {
  /// A convolution's own shape, so that few values are enough; weights are the second input.
  private static func convolution(_ name: String, _ shape: ConvolutionShape, rows: Int) -> [Case] {
    let (x, w, y) = (shape.input.count, shape.weightCount, shape.output.count)
    return [
      Case("\(name)", [(rows, x), (1, w), (1, shape.output.channels.padded)]) {
        $0.convolution($1[0], $1[1], bias: $1[2], shape)
      },
      Case("\(name) adjoint", [(rows, y), (1, w)]) { $0.convolutionAdjoint($1[0], $1[1], shape) },
      Case("\(name) weights", [(rows, x), (rows, y)]) { $0.convolutionWeights($1[0], $1[1], shape) },
    ]
  }

  private static func norm(_ name: String, shift: Int, affine: Int, silu: Bool) -> Case {
    let groups = ChannelGroups(odd, groups: 1, epsilon: 1e-3)
    return Case(name, [(2, small.count), (shift, odd.padded), (affine, odd.padded), (affine, odd.padded)]) {
      $0.groupNorm($1[0], small, groups, shift: $1[1], scale: $1[2], offset: $1[3], silu: silu)
    }
  }

  static let cases: [Case] =
    [
      Case("blocked", [(2, 6 * 23)]) { $0.blocked($1[0], small) },
      Case("unblocked", [(2, small.count)]) { $0.unblocked($1[0], small) },
      norm("groupNorm with rows that serve all images", shift: 1, affine: 1, silu: true),
      norm("groupNorm with a row per image", shift: 2, affine: 2, silu: false),
      Case("attention", [(2, 3 * 16 * 5)]) { $0.attention($1[0], attention) },
      Case("attention across", [(2, 16 * 3), (2, 2 * 16 * 4)]) { $0.crossAttention($1[0], $1[1], across) },
      Case("upsampleNearest in 1-D", [(1, line.count)]) { $0.upsampleNearest($1[0], line, factor: 1.5) },
      Case("sumPool in 3-D", [(1, 8 * volume.count)]) { $0.sumPool($1[0], volume, factor: 0.125) },
      Case("upsampleNearest", [(1, small.count)]) { $0.upsampleNearest($1[0], small, factor: 1.5) },
      Case("sumPool", [(1, 4 * small.count)]) { $0.sumPool($1[0], small, factor: 0.25) },
      Case("channelNorm", [(2, 32 * 3), (1, 32), (1, 32)]) {
        $0.channelNorm(
          $1[0], FeatureShape(ChannelPlaces(20), [3]), scale: $1[1], offset: $1[2], epsilon: 1e-3)
      },
      Case("crop", [(2, small.count)]) { $0.crop($1[0], small, to: [2, 1]) },
      Case("uncrop", [(2, small.count)]) { $0.uncrop($1[0], small, to: [4, 2]) },
      Case("crop in 3-D", [(1, 8 * volume.count)]) {
        $0.crop($1[0], FeatureShape(ChannelPlaces(3), [2, 4, 2]), to: [1, 3, 2])
      },
      Case("channelSums", [(2, small.count)]) { $0.channelSums($1[0], small) },
      Case("spreadChannels", [(2, odd.padded)]) { $0.spreadChannels($1[0], small) },
      Case("featureMatrix", [(2, small.count)]) {
        $0.featureMatrix($1[0], FeatureColumns(positions: 6, padded: odd.padded, first: 3, width: 20))
      },
      Case("matrixFeatures", [(2, 6 * 20)]) {
        $0.matrixFeatures($1[0], FeatureColumns(positions: 6, padded: odd.padded, first: 3, width: 20))
      },
      Case("softmax", [(3, 19)]) { $0.softmax($1[0], scale: 0.7) },
      Case("power", [(2, 5)]) {
        $0.power($0.addBias($0.product($1[0], $1[0]), $0.filled(1, 5, [1, 1, 1, 1, 1])), -0.5)
      },
      Case("reshape", [(2, 6)]) { $0.product($0.reshape($1[0], rows: 3), $0.reshape($1[0], rows: 3)) },
      Case("gatherRows", [(3, 5)]) { $0.gatherRows($1[0], $0.filled(4, 1, [2, 0, 2, 1])) },
      Case("scatterRows", [(4, 5)]) { $0.scatterRows($1[0], $0.filled(4, 1, [2, 0, 2, 1]), rows: 3) },
    ]
    + [(false, false), (false, true), (true, false), (true, true)].map { a, b in
      Case("batchedProduct \(a) \(b)", [(2, 12), (2, 20)]) {
        $0.batchedProduct(
          $1[0], $1[1], transposeA: a, transposeB: b, BatchedShape(rows: 3, inner: 4, columns: 5))
      }
    }

  @Test("gradient and tangent of every operation equal central differences", arguments: cases)
  func composed(c: Case) { checkDerivatives(c) }

  @Test(
    "so do the gradients of fused operations",
    arguments: cases.filter { c in ["groupNorm", "channelNorm", "attention"].contains { c.name.hasPrefix($0) } })
  func fused(c: Case) { checkDerivatives(c, composing: false) }

  /// Convolutions are linear in each argument: ⟨conv(x, w), g⟩ = ⟨x, convᵀ(g, w)⟩ = ⟨w, conv*(x, g)⟩ says all of their
  /// derivatives, to the rounding of sums of some thousand products (Winograd's: 1e-5 of their size).
  @Test("a convolution and its two adjoints agree", arguments: [(wide, 1), (wide, 7), (strided, 2)] + others)
  func adjoints(shape: ConvolutionShape, rows: Int) {
    let tape = Tape(ParameterLayout())
    tape.begin(parameters: [0], recording: true)
    func random(_ rows: Int, _ columns: Int, _ seed: UInt64) -> Tensor {
      tape.variable(tape.filled(rows, columns, values(rows * columns, seed: seed)))
    }
    let (x, w, g) = (
      random(rows, shape.input.count, 1), random(1, shape.weightCount, 2), random(rows, shape.output.count, 3)
    )
    func dot(_ a: Tensor, _ b: Tensor) -> Double {
      pairs(a.array, b.array).reduce(0) { $0 + Double($1.0) * Double($1.1) }
    }
    let y = tape.convolution(x, w, bias: nil, shape)
    let forward = dot(y, g)
    let scale = (dot(y, y) * dot(g, g)).squareRoot()
    let (data, weights) = (tape.convolutionAdjoint(g, w, shape), tape.convolutionWeights(x, g, shape))
    #expect(abs(dot(data, x) - forward) < 1e-5 * scale)
    #expect(abs(dot(weights, w) - forward) < 1e-5 * scale)
    // What the tape adds up for each of the three, by each of their arguments.
    for (result, other, arguments) in [(y, g, [x, w]), (data, x, [g, w]), (weights, w, [x, g])] {
      let adjoint = tape.filled(result.rows, result.columns, other.array)
      tape.backward(from: result, adjoint: adjoint)
      for argument in arguments {
        let gradient = tape.gradient(of: argument)
        #expect(gradient.map { abs(dot($0, argument) - forward) < 1e-5 * scale } == true)
      }
    }
  }

  @Test("dropout keeps the mean, drops its share, and depends on seed, step and row only") func dropout() {
    let tape = Tape(ParameterLayout())
    func mask(step: Int, first: Int, rows: Int, enabled: Bool = true) -> [Float] {
      tape.begin(parameters: [0], recording: true)
      if enabled { tape.enableDropout(seed: 3, step: step, firstRow: first) }
      return tape.dropout(tape.filled(rows, 500, [Float](repeating: 1, count: rows * 500)), rate: 0.3).array
    }
    let all = mask(step: 7, first: 0, rows: 20)
    #expect(Set(all) == [0, Float(1 / 0.7)])
    // 10,000 draws: a deviation of 0.0046; four of them.
    #expect(abs(Double(all.count { $0 == 0 }) / 10_000 - 0.3) < 0.0184)
    #expect(mask(step: 7, first: 5, rows: 3) == Array(all[5 * 500..<8 * 500]))
    #expect(mask(step: 8, first: 0, rows: 20) != all)
    #expect(mask(step: 7, first: 0, rows: 2, enabled: false).allSatisfy { $0 == 1 })
  }
}
