// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Models
import Networks
import Pairs
import Processes
import Scores
import Tensors
import Testing

@Suite struct FlowMapTests {
  private func network(second: Bool) -> MLP {
    MLP(
      dimension: 2, hidden: [12, 8], features: TimeFeatures(.fourier, count: 8, scale: 0.1, seed: 1),
      second: second)
  }

  private func parameters(_ network: MLP) -> [Float] {
    let normals = NoiseStream(seed: 4, purpose: .weights).normals(count: 1, dimension: network.layout.count).values
    return zip(network.initialParameters(seed: 1), normals).map { $0 + Float(0.2 * $1) }
  }

  @Test(
    "the map's factors are those of DDIM's step with D, and the identity at equal times", arguments: Prediction.allCases
  )
  func factors(_ prediction: Prediction) {
    for process in [VPSDE(), VESDE(), RectifiedFlow(end: 0.99)] as [any KernelSDE] {
      let network = network(second: true)
      let model = ScoreModel(
        network, parameters: parameters(network), prediction: prediction, kernel: process.makeKernel(),
        duration: process.duration, dataDeviation: 0.7)
      for (t, s) in [(0.9, 0.4), (0.3, 0.01), (0.5, 0.5)] {
        let (a, b) = (model.kernel.moments(at: t), model.kernel.moments(at: s))
        let (c, map) = (model.scalarCoefficients(a), model.mapCoefficients(from: a, to: b))
        for (x, f) in [(0.7, -0.4), (-1.2, 2.0)] {
          let score = c.skip * x + c.output * f
          let denoised = (x + a.variance * score) / a.scale
          let noise = (x - a.scale * denoised) / a.deviation
          let expected = b.scale * denoised + b.deviation * noise
          let found = map.skip * x + map.output * f
          // Rounding, where m is small and D large.
          #expect(abs(found - expected) < 1e-9 * (1 + abs(expected) + abs(denoised)), "\(prediction) \(t) \(s)")
          if t == s { #expect(abs(found - x) < 1e-12) }
        }
      }
    }
  }

  @Test("a network of two noise levels begins as that of one, and then looks at the second", arguments: [true, false])
  func second(isImage: Bool) throws {
    let (one, two): (any Network, any Network)
    if isImage {
      func unet(_ second: Bool) throws -> UNet {
        var a = UNetArchitecture(
          height: 4, width: 4, channels: 1, widths: [8], blocks: 1, attention: [], resampling: .convolution)
        (a.groups, a.middleAttentionGroups, a.second) = (4, 4, second)
        a.time = .fourier(frequencies: TimeFeatures.turns(8, scale: 0.1, seed: 1), dividesOutput: false)
        return try UNet(a)
      }
      (one, two) = (try unet(false), try unet(true))
    } else {
      (one, two) = (network(second: false), network(second: true))
    }
    #expect(!one.takesSecond && two.takesSecond)
    var (first, values) = (one.initialParameters(seed: 5), two.initialParameters(seed: 5))
    // A last layer of zeros would hide everything.
    let last = one.layout.entries.filter {
      $0.parts[0].name.contains("conv_out") || $0.parts[0].name.contains("conv2")
        || $0.parts[0].name.contains("layers.2")
    }
    for entry in last {
      for i in entry.offset..<entry.offset + entry.count {
        (first[i], values[i]) = (0.1 * Float(i % 7 - 3), 0.1 * Float(i % 7 - 3))
      }
    }
    func forward(_ network: any Network, _ values: [Float], _ level: [Float], _ other: [Float]?) -> [Float] {
      let tape = network.makeTape()
      return values.withUnsafeBufferPointer { parameters in
        tape.begin(parameters: parameters.baseAddress!, recording: false)
        let x = tape.constant(rows: 3, columns: network.dimension)
        for i in 0..<x.count { x.values[i] = Float(i % 5) * 0.3 - 0.5 }
        func column(_ values: [Float]) -> Tensor {
          let column = tape.constant(rows: values.count, columns: 1)
          for (i, value) in values.enumerated() { column.values[i] = value }
          return column
        }
        let y = network.forward(
          x, noiseLevel: column(level), second: other.map(column), condition: nil, on: tape)
        return (0..<y.count).map { y.values[$0] }
      }
    }
    let plain = forward(one, first, [0.4], nil)
    #expect(forward(two, values, [0.4], nil) == plain && forward(two, values, [0.4], [-2]) == plain)
    // Once the second embedding is not zero.
    for entry in two.layout.entries where entry.parts[0].name.hasPrefix("second_embedding") {
      for i in entry.offset..<entry.offset + entry.count { values[i] += 0.05 * Float(i % 11 - 5) }
    }
    let shared = forward(two, values, [0.4], [-2])
    #expect(shared != forward(two, values, [0.4], [-1]))
    // No second level is one that is equal to the first; and rows of their own do as a shared row does.
    #expect(forward(two, values, [0.4], nil) == forward(two, values, [0.4], [0.4]))
    let each = forward(two, values, [0.4, 0.4, 0.4], [-2, -2, -2])
    // Rounding of floats, whose sums have other orders.
    for (a, b) in zip(each, shared) { #expect(abs(a - b) < 1e-5) }
    let mixed = forward(two, values, [0.4], [-2, -1, -2])
    #expect(mixed.count == each.count && mixed != each)
  }

  @Test("a model as a map is what its factors say, for any rows, and the score is that of equal times") func map()
    throws
  {
    let network = network(second: true)
    let process = VPSDE()
    let model = ScoreModel(
      network, parameters: parameters(network), prediction: .edm, kernel: process.makeKernel(), duration: 1,
      dataDeviation: 0.7, map: FlowMapRange(end: 1e-3, reachesAnyTime: true, isScore: true))
    let flow = try #require(model.score().flowMap)
    #expect(model.with(map: nil).score().flowMap == nil)
    let span = RowSpan(first: 0, count: 300, dimension: 2)
    try RowStorage.with(span, count: 3) { rows in
      NoiseStream(seed: 1, purpose: .data).normals(into: rows[0], step: 0)
      let evaluator = try flow.makeEvaluator(for: span)
      try evaluator.map(rows[0], from: 0.8, to: 0.8, into: rows[1])
      for i in 0..<600 { #expect(abs(rows[1].values[i] - rows[0].values[i]) < 1e-12) }
      // Near equal times the map is a step of the flow of the network's score.
      let h = 1e-4
      try evaluator.map(rows[0], from: 0.8, to: 0.8 - h, into: rows[1])
      try model.score().makeEvaluator(for: span).evaluate(rows[0], at: .all(0.8), into: rows[2])
      for i in 0..<600 {
        let velocity =
          process.driftRate(at: 0.8) * rows[0].values[i] - 0.5 * pow(process.diffusion(at: 0.8), 2) * rows[2].values[i]
        // h² of the second derivative, and floats of the network, which the difference of times divides by h.
        #expect(abs((rows[0].values[i] - rows[1].values[i]) / h - velocity) < 2e-2 * (1 + abs(velocity)))
      }
    }
  }

  @Test(
    "log determinants are those of finite differences, and what the divergence says", arguments: Prediction.allCases)
  func determinants(_ prediction: Prediction) throws {
    let network = MLP(
      dimension: 3, hidden: [12, 8], features: TimeFeatures(.fourier, count: 8, scale: 0.1, seed: 1), second: true,
      divergence: true)
    let normals = NoiseStream(seed: 4, purpose: .weights).normals(count: 1, dimension: network.layout.count).values
    let parameters = zip(network.initialParameters(seed: 1), normals).map { $0 + Float(0.2 * $1) }
    let process = VPSDE()
    let model = ScoreModel(
      network, parameters: parameters, prediction: prediction, kernel: process.makeKernel(), duration: 1,
      dataDeviation: 0.7,
      map: FlowMapRange(end: 1e-3, reachesAnyTime: true, isScore: true, goesForward: true, hasDivergence: true))
    let map = try #require(model.score().flowMap)
    let span = RowSpan(first: 0, count: 7, dimension: 3)
    let (t, s) = (0.35, 0.6)
    try RowStorage.with(span, count: 4) { rows in
      NoiseStream(seed: 1, purpose: .data).normals(into: rows[0], step: 0)
      let evaluator = try map.makeEvaluator(for: span)
      var (found, told) = ([Double](repeating: 0, count: 7), [Double](repeating: 0, count: 7))
      try evaluator.map(rows[0], from: t, to: s, into: rows[1])
      try evaluator.map(rows[0], from: t, to: s, into: rows[2], .jacobian, logDeterminants: &found)
      try evaluator.map(rows[0], from: t, to: s, into: rows[3], .divergence, logDeterminants: &told)
      for i in 0..<21 {
        // Rounding of floats, whose sums have other orders.
        #expect(abs(rows[1].values[i] - rows[2].values[i]) < 1e-4 * (1 + abs(rows[1].values[i])))
        #expect(abs(rows[1].values[i] - rows[3].values[i]) < 1e-4 * (1 + abs(rows[1].values[i])))
      }
      // Columns of the Jacobian by central differences.
      let h = 0.02
      var columns: [[Double]] = []
      for j in 0..<3 {
        var values: [[Double]] = []
        for sign in [1.0, -1] {
          rows[3].copy(rows[0])
          for i in 0..<7 { rows[3][i, j] += sign * h }
          try evaluator.map(rows[3], from: t, to: s, into: rows[2])
          values.append((0..<21).map { rows[2].values[$0] })
        }
        columns.append(pairs(values[0], values[1]).map { ($0 - $1) / (2 * h) })
      }
      for i in 0..<7 {
        func a(_ j: Int, _ k: Int) -> Double { columns[k][3 * i + j] }
        let determinant =
          a(0, 0) * (a(1, 1) * a(2, 2) - a(1, 2) * a(2, 1)) - a(0, 1) * (a(1, 0) * a(2, 2) - a(1, 2) * a(2, 0))
          + a(0, 2) * (a(1, 0) * a(2, 1) - a(1, 1) * a(2, 0))
        // h² of the third derivative, and floats over 2 h.
        #expect(abs(found[i] - log(abs(determinant))) < 5e-3, "\(found[i]), \(determinant)")
      }
      // The network's own last column, put together by hand.
      let tape = network.makeTape()
      parameters.withUnsafeBufferPointer { values in
        tape.begin(parameters: values.baseAddress!, recording: false)
        let (a, b) = (model.kernel.moments(at: t), model.kernel.moments(at: s))
        let input = tape.constant(rows: 7, columns: 3)
        for i in 0..<21 { input.values[i] = Float(model.scalarCoefficients(a).input * rows[0].values[i]) }
        func column(_ value: Double) -> Tensor {
          let level = tape.constant(rows: 1, columns: 1)
          level.values[0] = Float(log(value))
          return level
        }
        let output = network.forwardWithDivergence(
          input, noiseLevel: column(a.noiseToSignal), second: column(b.noiseToSignal), condition: nil, on: tape)
        #expect(output.columns == 4)
        for i in 0..<7 {
          let rest = 1.5 * log((b.scale * b.scale * 0.49 + b.variance) / (a.scale * a.scale * 0.49 + a.variance))
          let expected = rest + log(b.noiseToSignal / a.noiseToSignal) * Double(output[i, 3])
          #expect(abs(told[i] - expected) < 1e-5 * (1 + abs(expected)))
        }
      }
    }
    let without = self.network(second: true)
    let plain = ScoreModel(
      without, parameters: self.parameters(without), prediction: prediction, kernel: process.makeKernel(), duration: 1,
      map: FlowMapRange(end: 1e-3, reachesAnyTime: true, isScore: true, goesForward: true))
    let evaluator = try #require(plain.score().flowMap).makeEvaluator(for: RowSpan(first: 0, count: 1, dimension: 2))
    RowStorage.with(RowSpan(first: 0, count: 1, dimension: 2), count: 2) { rows in
      var value = 0.0
      #expect(throws: InputError.self) {
        try evaluator.map(rows[0], from: t, to: s, into: rows[1], .divergence, logDeterminants: &value)
      }
    }
  }
}
