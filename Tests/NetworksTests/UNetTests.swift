// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Models
import Networks
import Pairs
import Processes
import Scores
import Tensors
import TestSupport
import Testing

@Suite("U-Net") struct UNetTests {
  enum Variant: String, CaseIterable {
    case plain
    case scaleShift, zerosAfter, heads, fourier

    func network() throws -> UNet {
      try tinyUNet {
        switch self {
        case .plain: break
        case .scaleShift:
          $0.scaleShift = true
          for i in 0..<2 { ($0.down[i].resampling, $0.up[i].resampling) = (.residual, .residual) }
          $0.middleAttentionGroups = nil
          $0.condition = .classes(3)
        case .zerosAfter: ($0.downPadding, $0.hasMiddle) = (0, false)
        case .heads: ($0.headChannels, $0.middleScale) = (5, 2.0.squareRoot())
        case .fourier:
          $0.time = .fourier(frequencies: [0.1, 0.3], dividesOutput: true)
          $0.centresInput = true
        }
      }
    }
  }

  /// Weights that keep sizes, none of them zero; scales of normalisations around 1.
  private func parameters(_ network: UNet, seed: UInt64, scale: Float = 1, around one: Float = 1) -> [Float] {
    var next = seed
    return network.layout.buffer { part in
      next += 1
      let fan = part.shape.dropFirst().reduce(1, *)
      let factor = scale * (part.shape.count > 1 ? 1 / Float(fan).squareRoot() : 0.2)
      let base: Float = part.name.contains("norm") && part.name.hasSuffix("weight") ? one : 0
      return values(part.count, seed: next).map { base + factor * $0 }
    }
  }

  private func moved(_ a: [Float], _ b: [Float], by step: Float) -> [Float] { pairs(a, b).map { $0 + step * $1 } }

  private func output(
    _ network: UNet, _ parameters: [Float], _ x: [Float], rows: Int = 2, recording: Bool = true,
    composing: Bool = false, on tape: Tape, _ then: (_ input: Tensor, _ output: Tensor) -> Void = { _, _ in }
  ) -> [Float] {
    parameters.withUnsafeBufferPointer { p in
      tape.begin(parameters: p.baseAddress!, recording: recording, composing: composing)
      var input = tape.filled(rows, network.dimension, x)
      if recording { input = tape.variable(input) }
      let labels: [Float] = network.noiseInput == .logNoiseToSignal ? [-0.7, 0.4, 0.1, 0.9] : [12, 430, 77, 901]
      let label = tape.filled(rows, 1, Array(labels[..<rows]))
      let classes = network.conditionShape != .nothing ? tape.filled(rows, 1, Array([2, 0, 1, 2][..<rows])) : nil
      let output = network.forward(input, noiseLevel: label, second: nil, condition: classes, on: tape)
      then(input, output)
      return output.array
    }
  }

  @Test("gradients by parameters and input equal differences along random directions", arguments: Variant.allCases)
  func gradients(_ variant: Variant) throws {
    let network = try variant.network()
    let tape = network.makeTape()
    let n = 2 * network.dimension
    let (p, x, adjoint) = (parameters(network, seed: 100), values(n, seed: 1), values(n, seed: 2))
    var byParameters = [Float](repeating: .nan, count: network.layout.count)
    var byInput: [Float] = []
    _ = output(network, p, x, on: tape) { input, output in
      byParameters.withUnsafeMutableBufferPointer {
        tape.backward(
          from: output, adjoint: tape.filled(2, network.dimension, adjoint), gradients: $0.baseAddress!)
      }
      byInput = tape.gradient(of: input)?.array ?? []
    }
    // Places without a channel stay zero when an optimiser follows the gradient.
    let ones = network.layout.buffer { [Float](repeating: 1, count: $0.count) }
    #expect(pairs(ones, byParameters).allSatisfy { $0 == 1 || $1 == 0 })

    // Along directions of a tenth of the weights and three tenths of the input, for a small f⁽⁵⁾; rounding of floats
    // through 20 layers is about 1e-6, divided by the step.
    for (dx, dp) in [(0.3, 0), (0, 0.1), (0.3, 0.1)] as [(Float, Float)] {
      let direction = values(n, seed: 3).map { dx * $0 }
      let parameterDirection = parameters(network, seed: 200, scale: dp, around: 0)
      let change = slope {
        output(network, moved(p, parameterDirection, by: $0), moved(x, direction, by: $0), on: tape)
      }
      let found = dot(byInput, direction) + dot(byParameters, parameterDirection)
      let size = (dot(adjoint, adjoint) * dot(change, change)).squareRoot()
      #expect(size > 0.1 && abs(found - dot(adjoint, change)) < 2e-4 * size)
    }
  }

  @Test(
    "on a composing tape, the tangent and the tangent of a taped gradient equal differences",
    arguments: Variant.allCases)
  func twice(_ variant: Variant) throws {
    let network = try variant.network()
    let tape = network.makeTape()
    let n = 2 * network.dimension
    let (p, x, adjoint) = (parameters(network, seed: 100), values(n, seed: 1), values(n, seed: 2))
    let direction = values(n, seed: 3).map { 0.15 * $0 }
    var (tangent, curvature): ([Float], [Float]) = ([], [])
    /// The output and its gradient at x + h · direction, and at h = 0 what the tape makes of the direction.
    func run(_ h: Float, taped: Bool) -> (output: [Float], gradient: [Float]) {
      var gradient: [Float] = []
      let value = output(network, p, moved(x, direction, by: h), composing: true, on: tape) { input, output in
        let along = tape.filled(2, network.dimension, direction)
        if taped { tangent = tape.tangent(of: output, along: [(input, along)])?.array ?? [] }
        tape.backward(from: output, adjoint: tape.filled(2, network.dimension, adjoint), taped: taped)
        guard let slope = tape.gradient(of: input) else { return }
        gradient = slope.array
        if taped { curvature = tape.tangent(of: slope, along: [(input, along)])?.array ?? [] }
      }
      return (value, gradient)
    }
    _ = run(0, taped: true)
    let changes = [slope { run($0, taped: false).output }, slope { run($0, taped: false).gradient }]
    for (found, change) in pairs([tangent, curvature], changes) {
      let error = pairs(found, change).map { Double($0) - $1 }
      // As for gradients; the size of second derivatives is a tenth of that of the gradients that are subtracted.
      #expect(found.count == n && dot(change, change) > 1e-2)
      #expect(dot(error, error) < 1e-6 * dot(change, change))
    }
  }

  @Test("without recording the output has the same bits, whatever memory is reused", arguments: Variant.allCases)
  func inference(_ variant: Variant) throws {
    let network = try variant.network()
    let p = parameters(network, seed: 100)
    let tapes = [network.makeTape(), network.makeTape(prepared: PreparedWeights())]
    let recorded = output(network, p, values(4 * network.dimension, seed: 1), rows: 4, on: tapes[0])
    for tape in tapes {
      for _ in 0..<2 {
        let found = output(
          network, p, values(4 * network.dimension, seed: 1), rows: 4, recording: false, on: tape)
        #expect(found == recorded)
      }
    }
  }

  @Test(
    "the first prediction is zero; last convolutions are, scales are one, weights are Glorot's",
    arguments: Variant.allCases)
  func initialParameters(_ variant: Variant) throws {
    let network = try variant.network()
    let p = network.initialParameters(seed: 7)
    let found = output(network, p, values(2 * network.dimension, seed: 1), on: network.makeTape())
    #expect(found.count == 2 * network.dimension && found.allSatisfy { $0 == 0 })
    network.layout.forEachTensor(of: p) { part, values in
      let name = part.name
      if name.hasSuffix("bias")
        || ["nothing_embedding.weight", "conv2.weight", "to_out.0.weight", "conv_out.weight"].contains(
          where: name.hasSuffix)
      {
        #expect(values.allSatisfy { $0 == 0 }, "\(name)")
      } else if name.contains("norm") {
        #expect(values.allSatisfy { $0 == 1 }, "\(name)")
      } else if name != "class_embedding.weight" {
        // √(6/(in + out)), and at least half of that somewhere among so many uniforms.
        let taps = part.shape.dropFirst(2).reduce(1, *)
        let bound = (6 / Float((part.shape[0] + part.shape[1]) * taps)).squareRoot()
        let largest = values.reduce(0) { max($0, abs($1)) }
        #expect(largest <= bound && largest > bound / 2, "\(name)")
      }
    }
    #expect(network.initialParameters(seed: 7) == p && network.initialParameters(seed: 8) != p)
  }

  @Test("as a score, its pullback equals differences", arguments: [false, true])
  func pullback(oneTime: Bool) throws {
    let network = try tinyUNet()
    let score = ScoreModel(
      network, parameters: parameters(network, seed: 100), prediction: .noise, kernel: VPSDE().makeKernel(),
      duration: 1
    ).score()
    let span = RowSpan(first: 0, count: 5, dimension: network.dimension)
    try RowStorage.with(span, count: 6) { rows in
      let (x, v, d, out, up, down) = (rows[0], rows[1], rows[2], rows[3], rows[4], rows[5])
      for (step, r) in [x, v, d].enumerated() { NoiseStream(seed: 1, purpose: .prior).normals(into: r, step: step) }
      let evaluator = try score.makeEvaluator(for: span)
      try [0.1, 0.3, 0.5, 0.7, 0.9].withUnsafeBufferPointer { each in
        let times = oneTime ? Times.all(0.5) : .each(each.baseAddress!)
        try evaluator.linearise(x, at: times, into: up)
        try evaluator.pullback(v, into: out)
        func difference(_ h: Double) throws -> [Double] {
          for i in 0..<x.size { x.values[i] += h * d.values[i] }
          try evaluator.evaluate(x, at: times, into: up)
          for i in 0..<x.size { x.values[i] -= 2 * h * d.values[i] }
          try evaluator.evaluate(x, at: times, into: down)
          for i in 0..<x.size { x.values[i] += h * d.values[i] }
          return (0..<x.size).map { (up.values[$0] - down.values[$0]) / (2 * h) }
        }
        let change = try pairs(difference(1.0 / 32), difference(1.0 / 16)).map { (4 * $0 - $1) / 3 }
        for row in 0..<x.count {
          let places = row * x.dimension..<(row + 1) * x.dimension
          let found = places.reduce(0.0) { $0 + out.values[$1] * d.values[$1] }
          let expected = places.reduce(0.0) { $0 + v.values[$1] * change[$1] }
          let size = places.reduce(0.0) { $0 + change[$1] * change[$1] }.squareRoot() * Double(x.dimension).squareRoot()
          // Rounding of floats through 20 layers, 1e-6, divided by the step.
          #expect(abs(found - expected) < 3e-4 * size)
        }
      }
    }
  }

  @Test("dropout acts in training alone, with noise of each row's own") func dropout() throws {
    let network = try tinyUNet { $0.dropout = 0.3 }
    let p = parameters(network, seed: 100)
    let tape = network.makeTape()
    let one = values(network.dimension, seed: 1)
    func run(training: Bool, step: Int = 0, firstRow: Int = 0) -> [Float] {
      p.withUnsafeBufferPointer { p in
        tape.begin(parameters: p.baseAddress!, recording: true)
        if training { tape.enableDropout(seed: 5, step: step, firstRow: firstRow) }
        // The same image twice, under the same label.
        let x = tape.filled(2, network.dimension, one + one)
        return network.forward(x, noiseLevel: tape.filled(1, 1, [100]), on: tape).array
      }
    }
    func halves(_ values: [Float]) -> (ArraySlice<Float>, ArraySlice<Float>) {
      (values[..<network.dimension], values[network.dimension...])
    }
    let (calm, noisy) = (run(training: false), run(training: true))
    #expect(Array(halves(calm).0) == Array(halves(calm).1))
    #expect(Array(halves(noisy).0) != Array(halves(noisy).1) && noisy != calm)
    #expect(run(training: true) == noisy && run(training: true, step: 1) != noisy)
    // The second row of one part is the first of the next.
    #expect(Array(halves(run(training: true, firstRow: 1)).0) == Array(halves(noisy).1))
    #expect(run(training: false) == calm)
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
