// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Models
import Networks
import Tensors
import Testing

/// Two runs of channels that do not fill their blocks.
private let odd = ChannelPlaces([5, 18])
private let small = FeatureShape(odd, height: 3, width: 2)
private let wide = ConvolutionShape(
  from: FeatureShape(ChannelPlaces(20), height: 5, width: 4), to: ChannelPlaces(3), kernel: 3, padding: (1, 1))
private let strided = ConvolutionShape(
  from: FeatureShape(ChannelPlaces(3), height: 4, width: 4), to: ChannelPlaces(3), kernel: 3, stride: 2, padding: (0, 1)
)
private let attention = AttentionShape(channels: ChannelPlaces(6), pixels: 5, heads: 2)

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
      Case("repeatPixels", [(1, small.count)]) { $0.repeatPixels($1[0], small, factor: 1.5) },
      Case("sumPixels", [(1, 4 * small.count)]) { $0.sumPixels($1[0], small, factor: 0.25) },
      Case("channelSums", [(2, small.count)]) { $0.channelSums($1[0], small) },
      Case("spreadChannels", [(2, odd.padded)]) { $0.spreadChannels($1[0], small) },
      Case("pixelsMatrix", [(2, small.count)]) {
        $0.pixelsMatrix($1[0], PixelColumns(pixels: 6, padded: odd.padded, first: 3, width: 20))
      },
      Case("matrixPixels", [(2, 6 * 20)]) {
        $0.matrixPixels($1[0], PixelColumns(pixels: 6, padded: odd.padded, first: 3, width: 20))
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
    arguments: cases.filter { $0.name.hasPrefix("groupNorm") || $0.name.hasPrefix("attention") })
  func fused(c: Case) { checkDerivatives(c, composing: false) }

  /// Convolutions are linear in each argument: ⟨conv(x, w), g⟩ = ⟨x, convᵀ(g, w)⟩ = ⟨w, conv*(x, g)⟩ says all of their
  /// derivatives, to the rounding of sums of some thousand products (Winograd's: 1e-5 of their size).
  @Test("a convolution and its two adjoints agree", arguments: [(wide, 1), (wide, 7), (strided, 2)])
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
      zip(a.array, b.array).reduce(0) { $0 + Double($1.0) * Double($1.1) }
    }
    let y = tape.convolution(x, w, bias: nil, shape)
    let forward = dot(y, g)
    let scale = (dot(y, y) * dot(g, g)).squareRoot()
    let (data, weights) = (tape.convolutionAdjoint(g, w, shape), tape.convolutionWeights(x, g, shape))
    #expect(abs(dot(data, x) - forward) < 1e-5 * scale)
    #expect(abs(dot(weights, w) - forward) < 1e-5 * scale)
    // What the tape adds up for each of the three, by each of their arguments.
    for (result, other) in [(y, g), (data, x), (weights, w)] {
      let adjoint = tape.filled(result.rows, result.columns, other.array)
      tape.backward(from: result, adjoint: adjoint)
      for argument in [x, w, g] {
        if let gradient = tape.gradient(of: argument) { #expect(abs(dot(gradient, argument) - forward) < 1e-5 * scale) }
      }
    }
  }

  /// The gradient of a U-Net's output is itself differentiated, both ways, on a composing tape.
  @Test("second derivatives of a U-Net equal differences of first ones") func secondDerivatives() throws {
    let network = try DiffusersFolder(try DiffusersTests.folder("scale-shift")).network
    let parameters = network.initialParameters(seed: 1)
    let dimension = network.dimension
    let (x, direction, adjoint) = (values(dimension, seed: 1), values(dimension, seed: 2), values(dimension, seed: 3))
    let tape = network.makeTape()
    func gradient(_ x: [Float], _ then: (Tensor, Tensor) -> Void) -> [Float] {
      parameters.withUnsafeBufferPointer { p in
        tape.begin(parameters: p.baseAddress!, recording: true, composing: true)
        let input = tape.variable(tape.filled(1, dimension, x))
        let output = network.forward(
          input, noiseLevel: tape.filled(1, 1, [250]), second: nil, condition: tape.filled(1, 1, [3]), on: tape)
        tape.backward(from: output, adjoint: tape.filled(1, dimension, adjoint), taped: true)
        let g = tape.gradient(of: input)!
        let result = g.array
        then(g, input)
        return result
      }
    }
    var backward: [Float] = []
    var forward: [Float] = []
    _ = gradient(x) { g, input in
      forward = tape.tangent(of: g, along: [(input, tape.filled(1, dimension, direction))])?.array ?? []
      tape.backward(from: g, adjoint: tape.filled(1, dimension, direction))
      backward = tape.gradient(of: input)?.array ?? []
    }
    // A step of 1/64 along a direction of unit components moves every value by some hundredths: truncation and the
    // rounding of floats each cost below a hundredth of the largest value.
    let up = gradient(zip(x, direction).map { $0 + h * $1 }) { _, _ in }
    let down = gradient(zip(x, direction).map { $0 - h * $1 }) { _, _ in }
    let differences = zip(up, down).map { ($0 - $1) / (2 * h) }
    let largest = DiffusersTests.largest(differences)
    #expect(largest > 0.1 && backward.count == dimension)
    #expect(DiffusersTests.difference(backward, differences) < 0.01 * largest)
    #expect(DiffusersTests.difference(forward, differences) < 0.01 * largest)
    // Both ways are the same product, without differences.
    #expect(DiffusersTests.difference(forward, backward) < 1e-3 * largest)
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

  @Test("a U-Net begins as the zero function, and its flat buffer holds every value once") func beginning() throws {
    let network = try UNet(
      UNetArchitecture(
        height: 4, width: 8, channels: 3, widths: [8, 20], blocks: 1, attention: [2], resampling: .residual
      ).with(groups: 4))
    let parameters = network.initialParameters(seed: 1)
    let tape = network.makeTape()
    parameters.withUnsafeBufferPointer {
      tape.begin(parameters: $0.baseAddress!, recording: false)
      let output = network.forward(
        tape.filled(2, network.dimension, values(2 * network.dimension, seed: 1)), noiseLevel: tape.filled(1, 1, [5]),
        on: tape)
      #expect(output.array.allSatisfy { $0 == 0 })
    }
    var count: Float = 0
    let numbered = network.layout.buffer { part in
      (0..<part.count).map { _ in
        count += 1; return count
      }
    }
    #expect(Int(count) == network.layout.parameterCount)
    #expect(numbered.filter { $0 != 0 }.sorted() == (1...network.layout.parameterCount).map { Float($0) })
    var read: [Float] = []
    network.layout.forEachTensor(of: numbered) { read += $1 }
    #expect(read == (1...network.layout.parameterCount).map { Float($0) })
  }
}

extension UNetArchitecture {
  fileprivate func with(groups: Int) -> UNetArchitecture {
    var other = self
    other.groups = groups
    other.middleAttentionGroups = groups
    return other
  }
}
