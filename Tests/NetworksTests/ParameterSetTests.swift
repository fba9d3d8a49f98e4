// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Networks
import Pairs
import Tensors
import TestSupport
import Testing

@Suite("Parameter sets") struct ParameterSetTests {
  private static let plane = MLP(
    dimension: 3, hidden: [9, 8], features: TimeFeatures(.sinusoidal, count: 4, scale: 1, seed: 1))

  enum Kind: CaseIterable {
    case mlp, unet
    func network() throws -> any Network { self == .mlp ? ParameterSetTests.plane : try tinyUNet() }
  }

  /// ‖student(x) − teacher(x)‖², and what `then` reads from the tape.
  private func loss(
    _ network: any Network, _ student: [Float], _ teacher: [Float], _ x: [Float], on tape: Tape,
    prepared: PreparedWeights? = nil, _ then: (_ loss: Tensor, _ input: Tensor) -> Void = { _, _ in }
  ) -> [Float] {
    student.withUnsafeBufferPointer { student in
      teacher.withUnsafeBufferPointer { teacher in
        let set = ParameterSet(network.layout, values: teacher.baseAddress!, prepared: prepared)
        tape.begin(parameters: student.baseAddress!, recording: true)
        let input = tape.variable(tape.filled(2, network.dimension, x))
        let level = tape.filled(2, 1, [0.3, 1.2])
        let mine = network.forward(input, noiseLevel: level, on: tape)
        let its = tape.with(set) { network.forward(input, noiseLevel: level, on: tape) }
        let loss = tape.weightedSquares(tape.sum(1, mine, -1, its), by: tape.filled(2, 1, [0.7, 1.3]))
        then(loss, input)
        return loss.array
      }
    }
  }

  @Test(
    "a student learns from a frozen teacher: gradients by parameters and input equal differences",
    arguments: Kind.allCases)
  func teacher(_ kind: Kind) throws {
    let network = try kind.network()
    let count = network.layout.count
    // Places without a channel are zeros in both.
    var seed: UInt64 = 10
    func parameters() -> [Float] {
      network.layout.buffer { part in
        seed += 1
        let fan = part.shape.dropFirst().reduce(1, *)
        return values(part.count, seed: seed).map {
          (part.name.contains("norm") ? 1 : 0) + 0.7 * $0 / Float(fan).squareRoot()
        }
      }
    }
    let (student, teacher, direction) = (parameters(), parameters(), parameters().map { 0.05 * $0 })
    let x = values(2 * network.dimension, seed: 1)
    let tape = network.makeTape()
    var byParameters = [Float](repeating: .nan, count: count)
    var byInput: [Float] = []
    _ = loss(network, student, teacher, x, on: tape) { loss, input in
      tape.backward(from: loss, gradients: &byParameters)
      byInput = tape.gradient(of: input)?.array ?? []
    }
    // Along its own gradient the loss moves the most.
    let length = dot(byInput, byInput).squareRoot()
    let inputDirection = byInput.map { 0.2 * $0 / Float(length) }
    let moved = slope { h in
      loss(network, pairs(student, direction).map { $0 + h * $1 }, teacher, x, on: tape)
    }[0]
    let movedInput = slope { h in
      loss(network, student, teacher, pairs(x, inputDirection).map { $0 + h * $1 }, on: tape)
    }[0]
    // Rounding of floats through 20 layers, 1e-6 of the loss, divided by the step.
    let tolerance = 3e-4 * Double(loss(network, student, teacher, x, on: tape)[0])
    #expect(abs(moved) > 10 * tolerance && abs(dot(byParameters, direction) - moved) < tolerance)
    #expect(abs(movedInput) > 10 * tolerance && abs(dot(byInput, inputDirection) - movedInput) < tolerance)
    // The loss depends on the teacher, whose parameters nobody differentiates by: with itself as teacher, the gradient
    // is 0.
    _ = loss(network, student, student, x, on: tape) { loss, _ in
      tape.backward(from: loss, gradients: &byParameters)
    }
    #expect(byParameters.allSatisfy { $0 == 0 })
    // Prepared weights change nothing, to the last bit.
    let prepared = PreparedWeights()
    for _ in 0..<2 {
      #expect(
        loss(network, student, teacher, x, on: tape, prepared: prepared) == loss(network, student, teacher, x, on: tape)
      )
    }
  }

  @Test(
    "constant parameters are those of a frozen set of the same values: derivatives flow through them, and not to them",
    arguments: Kind.allCases)
  func constants(_ kind: Kind) throws {
    let network = try kind.network()
    let parameters = network.initialParameters(seed: 2).map { $0 + 0.01 }
    let x = values(2 * network.dimension, seed: 1)
    /// The gradients by parameters and x of ‖F(x) − F(2x)‖², of which the second F has constant parameters.
    func gradients(_ isFrozen: Bool) -> [[Float]] {
      let tape = network.makeTape()
      var byParameters = [Float](repeating: .nan, count: network.layout.count)
      return parameters.withUnsafeBufferPointer { values in
        let set = ParameterSet(network.layout, values: values.baseAddress!)
        tape.begin(parameters: values.baseAddress!, recording: true)
        let input = tape.variable(tape.filled(2, network.dimension, x))
        let level = tape.filled(2, 1, [0.3, 1.2])
        let mine = network.forward(input, noiseLevel: level, on: tape)
        func other() -> Tensor { network.forward(tape.scale(input, by: 2), noiseLevel: level, on: tape) }
        let its = isFrozen ? tape.with(set, other) : tape.withConstantParameters(other)
        // And parameters are parameters again.
        let again = network.forward(tape.scale(input, by: 3), noiseLevel: level, on: tape)
        let loss = tape.weightedSquares(
          tape.sum(1, tape.sum(1, mine, -1, its), 1, again), by: tape.filled(2, 1, [0.7, 1.3]))
        tape.backward(from: loss, gradients: &byParameters)
        return [byParameters, tape.gradient(of: input)?.array ?? []]
      }
    }
    let (frozen, constant) = (gradients(true), gradients(false))
    #expect(frozen == constant)
    #expect(frozen.allSatisfy { $0.contains { $0 != 0 } && $0.allSatisfy(\.isFinite) })
  }

  @Test("the tape's own parameters are back after the set, and inner sets count") func nesting() {
    var layout = ParameterLayout()
    let place = layout.add("p", shape: [1])
    let tape = Tape(layout)
    let (own, outer, inner): ([Float], [Float], [Float]) = ([1], [2], [3])
    own.withUnsafeBufferPointer { own in
      outer.withUnsafeBufferPointer { outer in
        inner.withUnsafeBufferPointer { inner in
          let (a, b) = (
            ParameterSet(layout, values: outer.baseAddress!), ParameterSet(layout, values: inner.baseAddress!)
          )
          tape.begin(parameters: own.baseAddress!, recording: true)
          var seen: [Float] = [tape.parameter(place).values[0]]
          tape.with(a) {
            seen.append(tape.parameter(place).values[0])
            tape.with(b) { seen.append(tape.parameter(place).values[0]) }
            seen.append(tape.parameter(place).values[0])
          }
          seen.append(tape.parameter(place).values[0])
          #expect(seen == [1, 2, 3, 2, 1])
        }
      }
    }
  }
}
