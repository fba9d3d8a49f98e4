// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Models
import Networks
import Tensors
import Testing

/// diffusers' own outputs and gradients, computed in double by Fixtures/make_unets.py.
@Suite struct DiffusersTests {
  static let names = ["plain", "defaults", "scale-shift", "fourier"]

  static func folder(_ name: String) throws -> String {
    try #require(Bundle.module.url(forResource: "UNets/\(name)", withExtension: nil, subdirectory: "Fixtures")).path
  }

  /// [n, c, h, w] as rows of height × width × channel.
  static func rows(_ entry: Safetensors.Entry) -> [Float] {
    let (n, c, p) = (entry.shape[0], entry.shape[1], entry.shape[2] * entry.shape[3])
    return (0..<n * p * c).map { i in entry.values[(i / (p * c) * c + i % c) * p + i % (p * c) / c] }
  }

  static func largest(_ values: some Sequence<Float>) -> Float { values.reduce(0) { max($0, abs($1)) } }
  static func difference(_ a: [Float], _ b: [Float]) -> Float { largest(zip(a, b).map { $0 - $1 }) }

  /// Output and gradients against diffusers', to 1e-4 of each tensor's range: floats against doubles through about 30
  /// layers.
  @Test(arguments: names, [(false, false), (true, false), (true, true)])
  func agrees(name: String, mode: (winograd: Bool, composing: Bool)) throws {
    let folder = try Self.folder(name)
    let network = try DiffusersFolder(folder, winograd: mode.winograd).network
    let io = try Safetensors(reading: folder + "/io.safetensors")
    let parameters = network.initialParameters(seed: 1)
    let tape = network.makeTape()
    func column(_ values: [Float]) -> Tensor {
      let tensor = tape.constant(rows: values.count, columns: 1)
      for (i, value) in values.enumerated() { tensor.values[i] = value }
      return tensor
    }
    func images(_ key: String) throws -> Tensor {
      let values = Self.rows(try #require(io.tensors[key]))
      let tensor = tape.constant(rows: 2, columns: values.count / 2)
      for (i, value) in values.enumerated() { tensor.values[i] = value }
      return tensor
    }
    var gradients = [Float](repeating: .nan, count: network.layout.count)
    try parameters.withUnsafeBufferPointer { parameters in
      tape.begin(parameters: parameters.baseAddress!, recording: true, composing: mode.composing)
      let x = tape.variable(try images("input"))
      let times = try #require(io.tensors["timesteps"]).values
      let label = column(network.noiseInput == .logNoiseToSignal ? times.map { log($0) } : times)
      let classes = io.tensors["labels"].map { column($0.values) }
      let output = network.forward(x, noiseLevel: label, second: nil, condition: classes, on: tape)
      let expected = Self.rows(try #require(io.tensors["output"]))
      let found = (0..<output.count).map { output.values[$0] }
      #expect(Self.difference(found, expected) < 1e-4 * Self.largest(expected))

      try gradients.withUnsafeMutableBufferPointer {
        tape.backward(from: output, adjoint: try images("adjoint"), gradients: $0.baseAddress!)
      }
      let slope = try #require(tape.gradient(of: x))
      let expectedSlope = Self.rows(try #require(io.tensors["grad.input"]))
      #expect(
        Self.difference((0..<slope.count).map { slope.values[$0] }, expectedSlope) < 1e-4 * Self.largest(expectedSlope))

      // The same without recording, which reuses memory.
      tape.begin(parameters: parameters.baseAddress!, recording: false)
      let inference = network.forward(
        try images("input"),
        noiseLevel: column(network.noiseInput == .logNoiseToSignal ? times.map { log($0) } : times),
        second: nil, condition: io.tensors["labels"].map { column($0.values) }, on: tape)
      #expect((0..<inference.count).allSatisfy { abs(inference.values[$0] - found[$0]) <= 1e-5 * Self.largest(found) })
    }
    var checked = 0
    try network.layout.forEachTensor(of: gradients) { part, values in
      let expected = try #require(io.tensors["grad." + part.name])
      #expect(expected.shape == part.shape)
      #expect(
        Self.difference(values, expected.values) < 1e-4 * max(1e-2, Self.largest(expected.values)), "\(part.name)")
      checked += 1
    }
    #expect(checked > 50)
  }
}
