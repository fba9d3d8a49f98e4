// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Networks
import Tensors
import TestSupport
import Testing

/// PyTorch's layers and their gradients in double: Fixtures/layers.safetensors, by make_layers.py (torch 2.15.0).
@Suite("Layers") struct LayerTests {
  private let file: Safetensors
  private let tape = Tape(ParameterLayout())

  init() throws {
    let url = try #require(
      Bundle.module.url(forResource: "layers", withExtension: "safetensors", subdirectory: "Fixtures"))
    file = try Safetensors(reading: url.path)
  }

  private func entry(_ name: String) throws -> Safetensors.Entry { try #require(file.tensors[name]) }

  /// Floats against doubles: 1e-5 of the largest value, Winograd's sums included.
  private func expect(_ found: [Float], _ name: String) throws {
    let expected = try entry(name).values
    #expect(found.count == expected.count)
    let size = largest(expected)
    #expect(size > 0 && difference(found, expected) < 1e-5 * max(1, size), "\(name)")
  }

  /// [n, c, h, w] as a variable of blocked images, and back.
  private func images(_ name: String) throws -> (tensor: Tensor, shape: FeatureShape) {
    let entry = try entry(name)
    let rows = try entry.rows
    let shape = FeatureShape(ChannelPlaces(entry.shape[1]), height: entry.shape[2], width: entry.shape[3])
    return (
      tape.variable(tape.blocked(tape.filled(entry.shape[0], rows.count / entry.shape[0], rows), shape)), shape
    )
  }

  private func planes(_ tensor: Tensor, _ shape: FeatureShape) -> [Float] {
    let rows = tape.unblocked(tensor, shape).array
    let (c, p) = (shape.channels.count, shape.positions)
    return (0..<tensor.rows * c * p).map { i in rows[(i / (c * p) * p + i % p) * c + i / p % c] }
  }

  /// A parameter of a layout as a variable: the same order as in a network's flat buffer.
  private func parameter(_ values: [Float], _ shape: [Int], _ storage: ParameterLayout.Storage) -> (
    Tensor, ParameterLayout
  ) {
    var layout = ParameterLayout()
    _ = layout.add([ParameterLayout.Part(name: "p", shape: shape)], storage)
    let buffer = layout.buffer { _ in values }
    return (tape.variable(tape.filled(1, buffer.count, buffer)), layout)
  }

  private func logical(_ tensor: Tensor, _ layout: ParameterLayout) -> [Float] {
    var values: [Float] = []
    layout.forEachTensor(of: tensor.array) { values = $1 }
    return values
  }

  static let convolutions: [(String, stride: Int, before: Int, after: Int)] = [
    ("conv3x3", 1, 1, 1), ("conv3x3-16", 1, 1, 1), ("conv3x3-rgb", 1, 1, 1), ("conv1x1", 1, 0, 0),
    ("conv5x5", 1, 2, 2), ("conv3x3-stride2", 2, 1, 1), ("conv3x3-stride2-odd", 2, 1, 1),
    ("conv3x3-stride2-right-bottom", 2, 0, 1), ("conv3x3-stride2-right-bottom-odd", 2, 0, 1),
  ]

  @Test("convolutions", arguments: convolutions)
  func convolution(name: String, stride: Int, before: Int, after: Int) throws {
    tape.begin(parameters: [0], recording: true)
    let (x, shape) = try images(name + ".input")
    let weights = try entry(name + ".weight")
    let places = ChannelPlaces(weights.shape[0])
    let convolution = ConvolutionShape(
      from: shape, to: places, kernel: weights.shape[2], stride: stride, padding: (before, after))
    let (w, weightLayout) = parameter(
      try weights.values, weights.shape, .convolution(in: shape.channels, out: places, taps: convolution.taps))
    let (b, biasLayout) = parameter(try entry(name + ".bias").values, [places.count], .vector(places))
    let y = tape.convolution(x, w, bias: b, convolution)
    try expect(planes(y, convolution.output), name + ".output")
    tape.backward(from: y, adjoint: try images(name + ".adjoint").tensor)
    try expect(planes(try #require(tape.gradient(of: x)), shape), name + ".grad.input")
    try expect(logical(try #require(tape.gradient(of: w)), weightLayout), name + ".grad.weight")
    try expect(logical(try #require(tape.gradient(of: b)), biasLayout), name + ".grad.bias")
  }

  @Test("group normalisation", arguments: ["group-norm", "group-norm-silu"], [false, true])
  func norm(name: String, composing: Bool) throws {
    tape.begin(parameters: [0], recording: true, composing: composing)
    let (x, shape) = try images(name + ".input")
    let (w, layout) = parameter(try entry(name + ".weight").values, [24], .vector(shape.channels))
    let (b, _) = parameter(try entry(name + ".bias").values, [24], .vector(shape.channels))
    let y = tape.groupNorm(
      x, shape, ChannelGroups(shape.channels, groups: 4, epsilon: 1e-6), scale: w, offset: b,
      silu: name.hasSuffix("silu"))
    try expect(planes(y, shape), name + ".output")
    tape.backward(from: y, adjoint: try images(name + ".adjoint").tensor)
    try expect(planes(try #require(tape.gradient(of: x)), shape), name + ".grad.input")
    try expect(logical(try #require(tape.gradient(of: w)), layout), name + ".grad.weight")
    try expect(logical(try #require(tape.gradient(of: b)), layout), name + ".grad.bias")
  }

  @Test("average pooling and nearest upsampling") func resampling() throws {
    tape.begin(parameters: [0], recording: true)
    let (x, large) = try images("avg-pool.input")
    let half = FeatureShape(large.channels, height: large.height / 2, width: large.width / 2)
    let y = tape.sumPool(x, half, factor: 0.25)
    try expect(planes(y, half), "avg-pool.output")
    tape.backward(from: y, adjoint: try images("avg-pool.adjoint").tensor)
    try expect(planes(try #require(tape.gradient(of: x)), large), "avg-pool.grad.input")

    let (u, shape) = try images("upsample.input")
    let doubled = FeatureShape(shape.channels, height: 2 * shape.height, width: 2 * shape.width)
    let v = tape.upsampleNearest(u, shape)
    try expect(planes(v, doubled), "upsample.output")
    tape.backward(from: v, adjoint: try images("upsample.adjoint").tensor)
    try expect(planes(try #require(tape.gradient(of: u)), shape), "upsample.grad.input")
  }

  @Test("attention", arguments: [1, 4], [false, true]) func attention(heads: Int, composing: Bool) throws {
    tape.begin(parameters: [0], recording: true, composing: composing)
    let name = "attention-\(heads)"
    let (positions, channels) = (15, 16)
    // [row, position, channel] is a row of pixels with channels last; queries, keys and values lie side by side.
    let parts = try ["query", "key", "value"].map { try entry("\(name).\($0)").values }
    let all = FeatureShape(ChannelPlaces([16, 16, 16]), height: 1, width: positions)
    var rows: [Float] = []
    for i in 0..<2 * positions {
      for part in parts { rows += part[i * channels..<(i + 1) * channels] }
    }
    let x = tape.variable(tape.blocked(tape.filled(2, rows.count / 2, rows), all))
    let one = FeatureShape(ChannelPlaces(channels), height: 1, width: positions)
    let y = tape.attention(x, AttentionShape(channels: one.channels, positions: positions, heads: heads))
    try expect(tape.unblocked(y, one).array, name + ".output")
    let adjoint = try entry(name + ".adjoint").values
    tape.backward(from: y, adjoint: tape.blocked(tape.filled(2, adjoint.count / 2, adjoint), one))
    let gradient = tape.unblocked(try #require(tape.gradient(of: x)), all).array
    for (index, part) in ["query", "key", "value"].enumerated() {
      var found: [Float] = []
      for i in 0..<2 * positions {
        let start = (3 * i + index) * channels
        found += gradient[start..<start + channels]
      }
      try expect(found, "\(name).grad.\(part)")
    }
  }
}
