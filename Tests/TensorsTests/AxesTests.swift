// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Networks
import Tensors
import TestSupport
import Testing

/// PyTorch's layers along 0, 1 and 3 axes, and attention across, with gradients, in double: Fixtures/axes.safetensors,
/// by make_axes.py (torch 2.15.0).
@Suite("Axes") struct AxesTests {
  private let file: Safetensors
  private let tape = Tape(ParameterLayout())

  init() throws {
    let url = try #require(
      Bundle.module.url(forResource: "axes", withExtension: "safetensors", subdirectory: "Fixtures"))
    file = try Safetensors(reading: url.path)
  }

  private func entry(_ name: String) throws -> Safetensors.Entry { try #require(file.tensors[name]) }

  /// Floats against doubles: 1e-5 of the largest value.
  private func expect(_ found: [Float], _ expected: [Float], _ name: String) {
    #expect(largest(expected) > 0 && difference(found, expected) < 1e-5 * max(1, largest(expected)), "\(name)")
  }

  /// [n, c, axes …] as a variable of blocked features.
  private func features(_ name: String) throws -> (tensor: Tensor, shape: FeatureShape) {
    let entry = try entry(name)
    let shape = FeatureShape(ChannelPlaces(entry.shape[1]), Axes(Array(entry.shape.dropFirst(2))))
    let rows = try entry.rows
    return (
      tape.variable(tape.blocked(tape.filled(entry.shape[0], rows.count / entry.shape[0], rows), shape)), shape
    )
  }

  /// Compares an output and the gradient by one input, both of some shape.
  private func check(
    _ name: String, _ y: Tensor, _ shape: FeatureShape, from x: Tensor, _ input: FeatureShape
  ) throws {
    expect(tape.unblocked(y, shape).array, try entry(name + ".output").rows, name)
    tape.backward(from: y, adjoint: try features(name + ".adjoint").tensor)
    let gradient = try #require(tape.gradient(of: x))
    expect(tape.unblocked(gradient, input).array, try entry(name + ".grad.input").rows, name)
  }

  static let convolutions: [(String, stride: Axes, before: Axes, after: Axes)] = [
    ("conv0d", [], [], []), ("conv1d", [1], [1], [1]), ("conv1d-stride2", [2], [1], [1]),
    ("conv2d-uneven", [2, 1], [1, 0], [1, 0]), ("conv3d", [1, 1, 1], [1, 1, 1], [1, 1, 1]),
    ("conv3d-uneven", [1, 2, 1], [0, 1, 1], [0, 1, 1]),
  ]

  @Test("convolutions", arguments: convolutions)
  func convolution(name: String, stride: Axes, before: Axes, after: Axes) throws {
    tape.begin(parameters: [0], recording: true)
    let (x, input) = try features(name + ".input")
    let weights = try entry(name + ".weight")
    let places = ChannelPlaces(weights.shape[0])
    let shape = ConvolutionShape(
      from: input, to: places, kernel: Axes(Array(weights.shape.dropFirst(2))), stride: stride,
      padding: (before, after))
    var layout = ParameterLayout()
    _ = layout.add(
      [.init(name: "weight", shape: weights.shape)],
      .convolution(in: input.channels, out: places, taps: shape.taps))
    _ = layout.add([.init(name: "bias", shape: [places.count])], .vector(places))
    let stored = try entry(name + ".bias").values
    let buffer = try layout.buffer { $0.name == "weight" ? try weights.values : stored }
    let count = shape.weightCount
    let w = tape.variable(tape.filled(1, count, Array(buffer[..<count])))
    let b = tape.variable(tape.filled(1, places.padded, Array(buffer[count...])))
    try check(name, tape.convolution(x, w, bias: b, shape), shape.output, from: x, input)
    let gradients = try #require(tape.gradient(of: w)).array + #require(tape.gradient(of: b)).array
    for part in ["weight", "bias"] {
      var found: [Float] = []
      layout.forEachTensor(of: gradients) { if $0.name == part { found = $1 } }
      expect(found, try entry("\(name).grad.\(part)").values, "\(name) \(part)")
    }
  }

  @Test("layers with parameters: their gradients reach the flat buffer", arguments: ["conv1d", "conv3d"])
  func layer(name: String) throws {
    let weights = try entry(name + ".weight")
    let input = FeatureShape(
      ChannelPlaces(weights.shape[1]), Axes(Array(try entry(name + ".input").shape.dropFirst(2))))
    var builder = LayerBuilder()
    let layer = builder.convolution(["c"], from: input, to: ChannelPlaces(weights.shape[0]), kernel: weights.shape[2])
    let bias = try entry(name + ".bias").values
    let parameters = try builder.layout.buffer { $0.name == "c.weight" ? try weights.values : bias }
    let tape = Tape(builder.layout)
    var gradients = [Float](repeating: .nan, count: parameters.count)
    try parameters.withUnsafeBufferPointer { p in
      tape.begin(parameters: p.baseAddress!, recording: true)
      func blocked(_ name: String, _ shape: FeatureShape) throws -> Tensor {
        let entry = try entry(name)
        return tape.blocked(tape.filled(entry.shape[0], try entry.rows.count / entry.shape[0], try entry.rows), shape)
      }
      let y = layer(try blocked(name + ".input", input), on: tape)
      tape.backward(
        from: y, adjoint: try blocked(name + ".adjoint", layer.shape.output), gradients: &gradients)
    }
    var checked = 0
    try builder.layout.forEachTensor(of: gradients) { part, values in
      expect(values, try entry("\(name).grad." + part.name.dropFirst(2)).values, part.name)
      checked += 1
    }
    #expect(checked == 2)
  }

  @Test("group normalisation", arguments: ["group-norm-1d", "group-norm-3d"], [false, true])
  func norm(name: String, composing: Bool) throws {
    tape.begin(parameters: [0], recording: true, composing: composing)
    let (x, shape) = try features(name + ".input")
    func row(_ name: String) throws -> Tensor {
      // Twenty-four channels in two blocks of sixteen places.
      let values = try entry(name).values
      return tape.variable(tape.filled(1, 32, values + [Float](repeating: 0, count: 8)))
    }
    let (w, b) = (try row(name + ".weight"), try row(name + ".bias"))
    let y = tape.groupNorm(
      x, shape, ChannelGroups(shape.channels, groups: 4, epsilon: 1e-6), scale: w, offset: b, silu: false)
    try check(name, y, shape, from: x, shape)
    for (parameter, part) in [(w, "weight"), (b, "bias")] {
      let found = try #require(tape.gradient(of: parameter)).array
      expect(Array(found[..<24]), try entry("\(name).grad.\(part)").values, "\(name) \(part)")
    }
  }

  @Test("average pooling and nearest upsampling", arguments: ["1d", "3d"]) func resampling(axes: String) throws {
    tape.begin(parameters: [0], recording: true)
    let (x, large) = try features("avg-pool-\(axes).input")
    let factor: Float = axes == "1d" ? 1.0 / 2 : 1.0 / 8
    try check("avg-pool-\(axes)", tape.sumPool(x, large.halved, factor: factor), large.halved, from: x, large)
    let (u, small) = try features("upsample-\(axes).input")
    try check("upsample-\(axes)", tape.upsampleNearest(u, small), small.doubled, from: u, small)
  }

  @Test("attention to positions of another length", arguments: [1, 3], [false, true])
  func attention(heads: Int, composing: Bool) throws {
    tape.begin(parameters: [0], recording: true, composing: composing)
    let name = "attention-across-\(heads)"
    let channels = ChannelPlaces(12)
    let (asking, asked) = (FeatureShape(channels, [7]), FeatureShape(channels.followed(by: channels), [11]))
    // [row, position, channel] is a row of positions with channels last; keys and values lie side by side.
    let (query, key, value) = (
      try entry(name + ".query").values, try entry(name + ".key").values, try entry(name + ".value").values
    )
    var both: [Float] = []
    for i in 0..<22 {
      both += key[i * 12..<(i + 1) * 12]
      both += value[i * 12..<(i + 1) * 12]
    }
    let q = tape.variable(tape.blocked(tape.filled(2, query.count / 2, query), asking))
    let kv = tape.variable(tape.blocked(tape.filled(2, both.count / 2, both), asked))
    let y = tape.crossAttention(q, kv, AttentionShape(channels: channels, queries: 7, keys: 11, heads: heads))
    expect(tape.unblocked(y, asking).array, try entry(name + ".output").values, name)
    let adjoint = try entry(name + ".adjoint").values
    tape.backward(from: y, adjoint: tape.blocked(tape.filled(2, adjoint.count / 2, adjoint), asking))
    expect(
      tape.unblocked(try #require(tape.gradient(of: q)), asking).array, try entry(name + ".grad.query").values, name)
    let slopes = tape.unblocked(try #require(tape.gradient(of: kv)), asked).array
    for (first, part) in [(0, "key"), (12, "value")] {
      var found: [Float] = []
      for i in 0..<22 { found += slopes[24 * i + first..<24 * i + first + 12] }
      expect(found, try entry("\(name).grad.\(part)").values, "\(name) \(part)")
    }
  }
}
