// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Foundation
import Models
import Networks
import Pairs
import Processes
import Scores
import Tensors
import Testing
import Training

/// Losses and gradients beside those of PyTorch, from equal inputs: Tests/FewStep/make_fixtures.py computes them in
/// double precision from each paper's own formula, in `Tests/FewStep/inputs.json`, which this test writes where the
/// environment variable FEW_STEP_INPUTS names a file.
@Suite struct FewStepFixtureTests {
  private struct Case: Codable {
    var name: String
    var second: Bool
    var prediction: String
    var step: Int
    /// Tensors by name, in the layout's order.
    var parameters: [[Float]]
    var shapes: [[Int]]
    var frequencies: [Float]
    var data: [Float]
    var noise, uniforms, times: [Double]
    var loss: Double?
    var gradient: [[Double]]?
  }

  private static let rows = 24
  private static let deviation = 0.9
  private static let end = 1e-3
  private static let names = [
    "consistency-distillation", "consistency-training", "easy-consistency", "continuous-consistency",
    "continuous-consistency-taught", "progressive-distillation", "lagrangian", "lagrangian-taught", "eulerian-taught",
    "progressive", "mean-flow", "shortcut",
  ]

  private static var folder: URL {
    URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().appending(path: "FewStep")
  }

  private static func network(_ name: String) -> MLP {
    let isOfOneTime = name.contains("consistency") || name.hasSuffix("distillation")
    return MLP(
      dimension: 2, hidden: [7, 6], features: TimeFeatures(.fourier, count: 6, scale: 0.05, seed: 1),
      second: !isOfOneTime)
  }

  private static func prediction(_ name: String) -> Prediction {
    switch name {
    case "consistency-training", "progressive": .velocity
    case "progressive-distillation", "eulerian-taught": .data
    case "easy-consistency": .noise
    default: .edm
    }
  }

  private static func objective(_ name: String, _ parameters: [Float]) throws -> any Objective {
    let network = network(name)
    let model = ScoreModel(
      network, parameters: parameters, prediction: prediction(name), kernel: VPSDE().makeKernel(), duration: 1,
      dataDeviation: deviation)
    let process = PreparedProcess(VPSDE())
    let law = DataLaw(try twoGaussians())
    let teacher = try Teacher.score(#require(process.exactScore(of: law)))
    let times = TrainingTimes(
      TrainingPlan(steps: 1, epsilon: end), kernel: model.kernel, duration: model.duration)
    func base(_ teacher: Teacher?) -> TwoTimes {
      TwoTimes(model, process: process, teacher: teacher, to: end, diagonal: 0.3)
    }
    return switch name {
    case "consistency-distillation":
      ConsistencyDistillation(model, teacher: teacher, to: end, intervals: 18, loss: .pseudoHuber(0.03), times: times)
    case "consistency-training":
      ConsistencyTraining(
        model, to: end, curriculum: .init(first: 10, largest: 1280, doubling: 3), loss: .pseudoHuber(0.00076),
        times: times)
    case "easy-consistency":
      EasyConsistency(model, to: end, mapping: .init(stage: 2), loss: .pseudoHuber(0), times: times)
    case "continuous-consistency", "continuous-consistency-taught":
      ContinuousConsistency(
        model, process: process, teacher: name.hasSuffix("taught") ? teacher : nil, to: end, warmup: 10, times: times)
    case "progressive-distillation":
      ProgressiveDistillation(model, teacher: teacher, to: end, first: 4, stage: 100, times: times)
    case "lagrangian": LagrangianMap(base(nil), times: times)
    case "lagrangian-taught": LagrangianMap(base(teacher), times: times)
    case "eulerian-taught": EulerianMap(base(teacher), times: times)
    case "progressive": ProgressiveMap(base(nil), times: times)
    case "mean-flow": MeanFlow(base(nil), power: 1, times: times)
    default: ShortcutMap(base(nil), levels: 3, times: times)
    }
  }

  private static func inputs(_ name: String) throws -> Case {
    let network = network(name)
    let normals = NoiseStream(seed: 9, purpose: .weights).normals(count: 1, dimension: network.layout.count).values
    let parameters = pairs(network.initialParameters(seed: 1), normals).map { $0 + Float(0.3 * $1) }
    var (tensors, shapes): ([[Float]], [[Int]]) = ([], [])
    network.layout.forEachTensor(of: parameters) { part, values in
      tensors.append(values)
      shapes.append(part.shape)
    }
    let step = 7
    return Case(
      name: name, second: network.takesSecond, prediction: prediction(name).rawValue, step: step, parameters: tensors,
      shapes: shapes, frequencies: network.features.frequencies,
      data: NoiseStream(seed: 4, purpose: .data).normals(count: rows, dimension: 2).values.map { Float($0) },
      noise: NoiseStream(seed: 2, purpose: .trainingNoise).normals(count: rows, dimension: 2, step: step).values,
      uniforms: NoiseStream(seed: 2, purpose: Purpose(rawValue: 33)).uniforms(count: rows, dimension: 4, step: step)
        .values,
      times: (0..<rows).map { end + (1 - end) * (Double($0) + 0.5) / Double(rows) })
  }

  @Test("are those of PyTorch", arguments: names) func agreement(_ name: String) throws {
    let given = try Self.inputs(name)
    if let path = ProcessInfo.processInfo.environment["FEW_STEP_INPUTS"] {
      let encoder = JSONEncoder()
      encoder.outputFormatting = .sortedKeys
      try encoder.encode(given).write(to: URL(fileURLWithPath: "\(path)/\(name).json"))
      return
    }
    let file = Self.folder.appending(path: "fixtures.json")
    let known = try #require(
      JSONDecoder().decode([Case].self, from: Data(contentsOf: file)).first { $0.name == name })
    #expect(known.data == given.data && known.parameters == given.parameters)
    let parameters = given.parameters.flatMap { $0 }
    let objective = try Self.objective(name, parameters)
    let (tape, worker) = (objective.network.makeTape(), objective.makeWorker(rows: Self.rows, seed: 2))
    var (data, gradient) = (given.data, [Float](repeating: 0, count: parameters.count))
    // Averages and snapshots are the parameters themselves.
    let loss = parameters.withUnsafeBufferPointer { parameters in
      let set = ParameterSet(objective.network.layout, values: parameters.baseAddress!)
      let frozen = Dictionary(uniqueKeysWithValues: objective.frozen.map { ($0.name, set) })
      tape.begin(parameters: parameters.baseAddress!, recording: true, composing: objective.needsTangents)
      let loss = data.withUnsafeMutableBufferPointer { data in
        given.times.withUnsafeBufferPointer {
          worker.loss(
            of: TrainingShard(
              rows: 0..<Self.rows, data: data, times: $0.baseAddress!, frozen: frozen, step: given.step,
              batch: Self.rows), on: tape)
        }
      }
      gradient.withUnsafeMutableBufferPointer { tape.backward(from: loss, gradients: $0.baseAddress!) }
      return Double(loss.values[0])
    }
    let expected = try #require(known.gradient).flatMap { $0 }
    let size = expected.reduce(0) { $0 + $1 * $1 }.squareRoot()
    let wanted = try #require(known.loss)
    #expect(abs(loss - wanted) < 1e-5 * abs(wanted), "\(loss), \(wanted)")
    #expect(size > 1e-3)
    for (a, b) in pairs(gradient, expected) { #expect(abs(Double(a) - b) < 1e-5 * size, "\(a), \(b), \(size)") }
  }
}
