// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Networks
import Pairs
import Tensors
import TestSupport
import Testing

@Suite("Conditions of networks") struct ConditionTests {
  enum Kind: CaseIterable {
    case mlp, unet

    func network(_ condition: ConditionShape) throws -> any Network {
      self == .unet
        ? try tinyUNet { $0.condition = condition }
        : MLP(
          dimension: 3, hidden: [9, 8], features: TimeFeatures(.sinusoidal, count: 4, scale: 1, seed: 1),
          condition: condition)
    }
  }

  static let shapes: [ConditionShape] = [.classes(3), .numbers(2)]

  /// Three rows: two that know something, one that knows nothing.
  private func condition(_ shape: ConditionShape, on tape: Tape) -> Tensor {
    shape == .numbers(2)
      ? tape.filled(3, 3, [0.5, -1, 1, 0, 0, 0, 2, 0.1, 1]) : tape.filled(3, 1, [2, 3, 0])
  }

  private func parameters(_ network: any Network, seed: UInt64) -> [Float] {
    var next = seed
    return network.layout.buffer { part in
      next += 1
      let fan = part.shape.dropFirst().reduce(1, *)
      let base: Float = part.name.contains("norm") && part.name.hasSuffix("weight") ? 1 : 0
      return values(part.count, seed: next).map { base + 0.7 * $0 / Float(fan).squareRoot() }
    }
  }

  private func output(
    _ network: any Network, _ parameters: [Float], _ told: ConditionShape, recording: Bool = true, on tape: Tape,
    _ then: (Tensor) -> Void = { _ in }
  ) -> [Float] {
    parameters.withUnsafeBufferPointer { p in
      tape.begin(parameters: p.baseAddress!, recording: recording)
      let x = tape.filled(3, network.dimension, values(3 * network.dimension, seed: 1))
      let y = network.forward(
        x, noiseLevel: tape.filled(1, 1, [0.4]), second: nil,
        condition: told == .nothing ? nil : condition(told, on: tape), on: tape)
      then(y)
      return y.array
    }
  }

  @Test(
    "gradients by all parameters, the row for nothing among them, equal differences", arguments: Kind.allCases, shapes)
  func gradients(_ kind: Kind, _ shape: ConditionShape) throws {
    let network = try kind.network(shape)
    #expect(network.conditionShape == shape && network.knowsNothing)
    let tape = network.makeTape()
    let p = parameters(network, seed: 100)
    let adjoint = values(3 * network.outputDimension, seed: 2)
    var gradients = [Float](repeating: .nan, count: p.count)
    _ = output(network, p, shape, on: tape) {
      tape.backward(
        from: $0, adjoint: tape.filled(3, network.outputDimension, adjoint), gradients: &gradients)
    }
    // Along a direction of the embedding alone, and of everything.
    for isEmbedding in [true, false] {
      var next: UInt64 = 300
      let direction = network.layout.buffer { part in
        next += 1
        let moves = !isEmbedding || part.name.contains("embedding") && !part.name.contains("time")
        return values(part.count, seed: next).map { moves ? 0.1 * $0 / Float(part.shape.last ?? 1).squareRoot() : 0 }
      }
      let change = slope { h in output(network, pairs(p, direction).map { $0 + h * $1 }, shape, on: tape) }
      let (found, expected) = (dot(gradients, direction), dot(adjoint, change))
      let size = (dot(adjoint, adjoint) * dot(change, change)).squareRoot()
      // Rounding of floats through 20 layers, 1e-6, divided by the step.
      #expect(size > 1e-3 && abs(found - expected) < 5e-4 * size)
    }
    // The row for nothing is used by the one row that knows nothing.
    let entry = try #require(network.layout.entries.last)
    #expect(entry.parts[0].name == "nothing_embedding.weight")
    #expect(gradients[entry.offset..<entry.offset + entry.count].contains { abs($0) > 1e-4 })
  }

  @Test("a condition changes its own row alone, recorded or not", arguments: Kind.allCases, shapes)
  func rows(_ kind: Kind, _ shape: ConditionShape) throws {
    let network = try kind.network(shape)
    let p = parameters(network, seed: 100)
    var other = p
    let entry = try #require(network.layout.entries.last)
    for i in 0..<entry.count { other[entry.offset + i] += 0.5 }
    let tape = network.makeTape()
    let recorded = output(network, p, shape, on: tape)
    let plain = output(network, p, shape, recording: false, on: tape)
    // A network that is not recorded may add in another order.
    #expect(difference(recorded, plain) < 1e-5 * max(1, largest(recorded)))
    let moved = output(network, other, shape, on: tape)
    let n = network.outputDimension
    #expect(moved[..<n] == recorded[..<n] && moved[(2 * n)...] == recorded[(2 * n)...])
    #expect(moved[n..<2 * n] != recorded[n..<2 * n])
  }

  @Test(
    "networks without a condition are as they were; with one, all but the embedding begins so", arguments: Kind.allCases
  )
  func layout(_ kind: Kind) throws {
    let (plain, told) = (try kind.network(.nothing), try kind.network(.classes(3)))
    #expect(!plain.knowsNothing && !plain.layout.entries.contains { $0.parts[0].name.contains("nothing") })
    var begun: [String: [Float]] = [:]
    told.layout.forEachTensor(of: told.initialParameters(seed: 7)) { begun[$0.name] = $1 }
    #expect(begun["nothing_embedding.weight"]?.allSatisfy { $0 == 0 } == true)
    #expect(begun["class_embedding.weight"]?.contains { $0 != 0 } == true)
    var names: [String] = []
    plain.layout.forEachTensor(of: plain.initialParameters(seed: 7)) { part, values in
      names.append(part.name)
      // The first layer of a multilayer perceptron is wider. A U-Net draws tensors after its table one later.
      if kind == .mlp && part.name != "layers.0.weight" { #expect(begun[part.name] == values) }
    }
    #expect(Set(names).isSubset(of: begun.keys) && begun.count == names.count + 2)
  }

  @Test("a checkpoint from before networks knew nothing has zeros for it; one without another tensor is refused")
  func checkpoints() throws {
    let network = try Kind.unet.network(.classes(3))
    let values = parameters(network, seed: 3)
    func file(without name: String) -> Safetensors {
      var tensors: [String: Safetensors.Entry] = [:]
      network.layout.forEachTensor(of: values) { part, values in
        if part.name != name { tensors[part.name] = Safetensors.Entry(shape: part.shape, values: values) }
      }
      return Safetensors(tensors: .init(tensors))
    }
    let read = try file(without: "nothing_embedding.weight").values(layout: network.layout, prefix: "")
    network.layout.forEachTensor(of: read) { part, values in
      if part.name == "nothing_embedding.weight" { #expect(values.allSatisfy { $0 == 0 }) }
    }
    #expect(pairs(read, values).allSatisfy { $0 == $1 || $0 == 0 } && read.contains { $0 != 0 })
    #expect(throws: InputError.self) {
      try file(without: "class_embedding.weight").values(layout: network.layout, prefix: "")
    }
  }
}
