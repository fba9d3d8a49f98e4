// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Models
import Networks
import Pairs
import Tensors
import TestSupport
import Testing

/// diffusers' own outputs and gradients, computed in double by Fixtures/make_unets.py.
@Suite struct DiffusersTests {
  static let names = ["plain", "defaults", "scale-shift", "fourier"]

  static func folder(_ name: String, in family: String = "UNets") throws -> String {
    try #require(Bundle.module.url(forResource: "\(family)/\(name)", withExtension: nil, subdirectory: "Fixtures")).path
  }

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
      let values = try #require(io.tensors[key]).rows
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
      let classes = try io.tensors["labels"].map { column(try $0.values) }
      let output = network.forward(x, noiseLevel: label, second: nil, condition: classes, on: tape)
      let expected = try #require(io.tensors["output"]).rows
      let found = (0..<output.count).map { output.values[$0] }
      #expect(difference(found, expected) < 1e-4 * largest(expected))

      try gradients.withUnsafeMutableBufferPointer {
        tape.backward(from: output, adjoint: try images("adjoint"), gradients: $0.baseAddress!)
      }
      let slope = try #require(tape.gradient(of: x))
      let expectedSlope = try #require(io.tensors["grad.input"]).rows
      #expect(
        difference((0..<slope.count).map { slope.values[$0] }, expectedSlope) < 1e-4 * largest(expectedSlope))

      // The same without recording, which reuses memory.
      tape.begin(parameters: parameters.baseAddress!, recording: false)
      let inference = network.forward(
        try images("input"),
        noiseLevel: column(network.noiseInput == .logNoiseToSignal ? times.map { log($0) } : times),
        second: nil, condition: try io.tensors["labels"].map { column(try $0.values) }, on: tape)
      #expect((0..<inference.count).allSatisfy { abs(inference.values[$0] - found[$0]) <= 1e-5 * largest(found) })
    }
    var checked = 0
    try network.layout.forEachTensor(of: gradients) { part, values in
      let expected = try #require(io.tensors["grad." + part.name])
      #expect(expected.shape == part.shape)
      let slopes = try expected.values
      #expect(difference(values, slopes) < 1e-4 * max(1e-2, largest(slopes)), "\(part.name)")
      checked += 1
    }
    #expect(checked > 50)
  }

  /// The gradient of a U-Net's output is itself differentiated, both ways, on a composing tape.
  @Test("second derivatives of a U-Net equal differences of first ones") func secondDerivatives() throws {
    let network = try DiffusersFolder(try Self.folder("scale-shift")).network
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
    let up = gradient(pairs(x, direction).map { $0 + h * $1 }) { _, _ in }
    let down = gradient(pairs(x, direction).map { $0 - h * $1 }) { _, _ in }
    let differences = pairs(up, down).map { ($0 - $1) / (2 * h) }
    let size = largest(differences)
    #expect(size > 0.1 && backward.count == dimension)
    #expect(difference(backward, differences) < 0.01 * size)
    #expect(difference(forward, differences) < 0.01 * size)
    // Both ways are the same product, without differences.
    #expect(difference(forward, backward) < 1e-3 * size)
  }
}
