// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Glibc
import Models
import Networks
import Pairs
import Processes
import Scores
import TestSupport
import Testing

/// What guidance asks of networks: rows with and without conditions in one batch, and the gradient of a classifier.
@Suite("Networks under guidance") struct GuidanceModelTests {
  private func points(_ count: Int, _ dimension: Int) -> Batch {
    NoiseStream(seed: 9, purpose: .prior).normals(count: count, dimension: dimension)
  }

  private func scores(_ score: any Score, _ x: Batch, at t: Double) throws -> Batch {
    var (x, s) = (x, Batch(count: x.count, dimension: x.dimension))
    try x.withRows { x in
      try s.withRows { try score.makeEvaluator(for: x.span).evaluate(x, at: .all(t), into: $0) }
    }
    return s
  }

  @Test("rows with and without their conditions in one batch have the scores of two batches") func interleaved() throws
  {
    let network = MLP(
      dimension: 3, hidden: [16, 16], features: TimeFeatures(.fourier, count: 8, scale: 0.3, seed: 1),
      condition: .classes(4))
    let model = ScoreModel(
      network, parameters: values(network.layout.count, seed: 5).map { 0.3 * $0 }, prediction: .noise,
      kernel: VPSDE().makeKernel(), duration: 1)
    // More rows than the network takes at a time, so that a row's neighbours are others.
    let (count, x) = (200, points(200, 3))
    let twice = Batch(rows: (0..<2 * count).map { Array(x.row($0 / 2)) })
    let labels = Conditions.labels((0..<count).map { ($0 * $0) % 4 })
    for conditions in [labels, .inTurn(classes: 4), .all(.label(2))] {
      let both = try scores(model.score(given: .interleaved([conditions, .nothing])), twice, at: 0.4)
      let with = try scores(model.score(given: conditions), x, at: 0.4)
      let without = try scores(model.score(given: .nothing), x, at: 0.4)
      for i in 0..<count {
        for j in 0..<3 {
          // Sums of floats whose order may depend on the batch's size.
          #expect(abs(both[2 * i, j] - with[i, j]) < 1e-5 * (1 + abs(with[i, j])))
          #expect(abs(both[2 * i + 1, j] - without[i, j]) < 1e-5 * (1 + abs(without[i, j])))
        }
      }
      #expect(pairs(with.values, without.values).contains { abs($0 - $1) > 1e-3 })
    }
    #expect(throws: InputError.self) { try model.check(.interleaved([.all(.label(4)), .nothing])) }
    #expect(throws: Never.self) { try model.check(.interleaved([labels, .nothing])) }
  }

  @Test("the classifier's gradient is that of its own log probability") func gradient() throws {
    let kernel = VPSDE().makeKernel()
    let seed: UInt64 = 3
    let initial = NoisyClassifier(
      dimension: 2, classes: 3, hidden: [8, 8], kernel: kernel, dataDeviation: 0.7, seed: seed)
    let classifier = NoisyClassifier(
      dimension: 2, classes: 3, hidden: [8, 8], parameters: values(initial.parameters.count, seed: 6).map { 0.5 * $0 },
      kernel: kernel, dataDeviation: 0.7, seed: seed)
    let (x, t) = (points(5, 2), 0.3)
    let conditions = Conditions.labels([0, 1, 2, 1, 0])
    let found = try scores(classifier.gradient(given: conditions), x, at: t)
    // log p(c | x) is linear in no direction: its difference along a segment is the gradient's integral there, by
    // Gauss's two points exact to the third order.
    let h = 0.02
    for j in 0..<2 {
      func moved(_ by: Double) -> Batch {
        var y = x
        for i in 0..<5 { y[i, j] += by }
        return y
      }
      let up = try logProbabilities(classifier, moved(h), at: t)
      let down = try logProbabilities(classifier, moved(-h), at: t)
      for i in 0..<5 {
        let label = [0, 1, 2, 1, 0][i]
        let slope = (up[i][label] - down[i][label]) / (2 * h)
        // Central differences of a function in single precision: h² and 1e-7/h.
        #expect(abs(slope - found[i, j]) < 2e-3 * (1 + abs(slope)), "\(i) \(j)")
      }
    }
    // A row without a class has no gradient, and classes that there are not are refused.
    let some = try scores(classifier.gradient(given: .interleaved([.all(.label(1)), .nothing])), x, at: t)
    for i in 0..<5 { #expect((some[i, 0] == 0) == (i % 2 == 1)) }
    #expect(throws: InputError.self) { try scores(classifier.gradient(given: .all(.label(3))), x, at: t) }
  }

  /// log softmax of the network's outputs, by a tape of the test's own.
  private func logProbabilities(_ classifier: NoisyClassifier, _ x: Batch, at t: Double) throws -> [[Double]] {
    let tape = classifier.network.makeTape()
    let moments = classifier.kernel.moments(at: t)
    return classifier.parameters.withUnsafeBufferPointer { parameters in
      tape.begin(parameters: parameters.baseAddress!, recording: false)
      let input = tape.constant(rows: x.count, columns: x.dimension)
      for i in x.values.indices { input.values[i] = Float(classifier.inputScale(moments) * x.values[i]) }
      let level = tape.constant(rows: 1, columns: 1)
      level[0, 0] = Float(log(moments.noiseToSignal))
      let logits = classifier.network.forward(input, noiseLevel: level, second: nil, condition: nil, on: tape)
      return (0..<x.count).map { i in
        let row = (0..<logits.columns).map { Double(logits[i, $0]) }
        let sum = row.reduce(0) { $0 + exp($1) }
        return row.map { $0 - log(sum) }
      }
    }
  }
}
