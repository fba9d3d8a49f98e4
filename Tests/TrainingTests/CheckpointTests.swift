// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Models
import Networks
import Tensors
import Testing
import Training

@Suite("Checkpoint") struct CheckpointTests {
  private let network = mlp([4, 3])

  private func checkpoint() -> Checkpoint {
    var state = TrainingState(initial: network.initialParameters(seed: 1))
    state.step = 12_345
    state.averages = network.initialParameters(seed: 2)
    state.firstMoments = network.initialParameters(seed: 3)
    state.secondMoments = state.firstMoments.map { $0 * $0 }
    return Checkpoint(state: state, config: "seed: 7\n# „π“ \"quoted\" \\ /\n", dataDeviation: 0.1 + 0.2)
  }

  private func file() throws -> Safetensors {
    try Safetensors(decoding: checkpoint().encoded(layout: network.layout))
  }

  private func failure(_ file: Safetensors, _ layout: ParameterLayout? = nil) throws -> InputError {
    let error = try #require(throws: InputError.self) {
      try Checkpoint(file, layout: layout ?? network.layout, path: "run/x.safetensors")
    }
    #expect(error.location == "run/x.safetensors")
    return error
  }

  @Test("encoded, decoded and read again it is the same, state, step and config") func roundTrip() throws {
    let original = checkpoint()
    let read = try Checkpoint(try file(), layout: network.layout, path: "p")
    #expect(bits(read.state) == bits(original.state) && read.state.step == 12_345)
    #expect(read.config == original.config && read.dataDeviation == original.dataDeviation)
    #expect(try Checkpoint.config(of: file(), path: "p") == original.config)
    #expect(try read.encoded(layout: network.layout) == original.encoded(layout: network.layout))
  }

  @Test("it reads from a file, and a missing or cut file is refused by name") func fromFile() throws {
    let url = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID().uuidString).safetensors")
    defer { try? FileManager.default.removeItem(at: url) }
    #expect(throws: InputError("no such file", at: url.path)) { try Safetensors(reading: url.path) }
    let data = try checkpoint().encoded(layout: network.layout)
    try data.write(to: url)
    let read = try Checkpoint(Safetensors(reading: url.path), layout: network.layout, path: url.path)
    #expect(bits(read.state) == bits(checkpoint().state))
    for length in [0, 7, 20, data.count - 1] {
      try data.prefix(length).write(to: url)
      let error = try #require(throws: InputError.self) { try Safetensors(reading: url.path) }
      #expect(error.location == url.path)
    }
  }

  @Test(
    "a missing tensor is named",
    arguments: [
      "model.layers.0.weight", "average.layers.1.bias", "adam.first.layers.2.weight",
      "adam.second.layers.2.bias",
    ])
  func missingTensor(_ name: String) throws {
    var file = try file()
    #expect(file.tensors.removeValue(forKey: name) != nil)
    #expect(try failure(file).message.contains("'\(name)'"))
  }

  @Test("a tensor of another shape is named with both shapes") func otherShape() throws {
    let error = try failure(try file(), mlp([5, 3]).layout)
    #expect(error.message.contains("'model.layers.0.weight' has shape [4, 18], expected [5, 18]"))
    // As many values, in another shape.
    var file = try file()
    let weight = try #require(file.tensors["average.layers.1.weight"])
    file.tensors["average.layers.1.weight"] = .init(shape: [4, 3], values: try weight.values)
    #expect(try failure(file).message.contains("'average.layers.1.weight' has shape [4, 3], expected [3, 4]"))
  }

  @Test("a foreign safetensors file is refused") func foreign() throws {
    for change in [{ $0.metadata = [:] }, { $0.metadata["format"] = "pt" }, { $0.metadata["config"] = nil }]
      as [(inout Safetensors) -> Void]
    {
      var file = try file()
      change(&file)
      #expect(try failure(file).message.contains("not a checkpoint of this program"))
      #expect(throws: InputError.self) { try Checkpoint.config(of: file, path: "p") }
    }
  }

  @Test("a checkpoint without a sensible number of steps is refused", arguments: [nil, "", "-1", "many", "1.5"])
  func steps(_ step: String?) throws {
    var file = try file()
    file.metadata["step"] = step
    #expect(try failure(file).message.contains("without its number of steps"))
  }
}
