// SPDX-License-Identifier: GPL-3.0-or-later
import AllocationCounter
import Core
import Datasets
import Models
import Networks
import Processes
import Scores
import Testing
import Training

/// How often a worker takes memory from the heap once it is warm, from the beginning of a shard's loss to its last
/// gradient. What a trainer does around that (threads, the optimiser) is not counted, and neither is the plan of a
/// batch that couples all of its rows.
@Suite("Losses without allocations") struct StepAllocationTests {
  private static let (rows, end) = (32, 0.01)

  private static let names = [
    "denoising", "flow-matching", "flow-matching-pairs", "interpolant", "bridge-matching",
    "consistency-distillation", "consistency-distillation-average", "consistency-training", "easy-consistency",
    "continuous-consistency", "continuous-consistency-taught", "continuous-consistency-weighted",
    "progressive-distillation", "lagrangian", "lagrangian-divergence", "eulerian", "progressive", "mean-flow",
    "shortcut", "distribution-matching", "distribution-matching-fisher", "distribution-matching-separate",
    "distribution-matching-separate-fisher",
  ]

  /// Who teaches objectives that have a teacher: the exact score or a network.
  enum Instructor: String, CaseIterable { case score, network }

  private static func objective(_ name: String, _ instructor: Instructor, time: TimeFeatures.Kind) throws
    -> any Objective
  {
    let process = VPSDE()
    let prepared = PreparedProcess(process)
    let isTwice = ["lagrangian", "eulerian", "progressive", "mean-flow", "shortcut"].contains {
      name == $0 || name == $0 + "-divergence"
    }
    let inner = MLP(
      dimension: 2, hidden: [16, 16], features: TimeFeatures(time, count: 8, scale: 0.1, seed: 1), second: isTwice,
      divergence: name.hasSuffix("divergence"))
    let network: any Network =
      switch name {
      case "continuous-consistency-weighted": WeightedNetwork(inner, seed: 3)
      case "distribution-matching", "distribution-matching-fisher": CompanionNetwork(inner)
      case "distribution-matching-separate", "distribution-matching-separate-fisher":
        CompanionNetwork(StepNetworks(inner, at: [1000, 400]))
      default: inner
      }
    func model(_ network: any Network) -> ScoreModel {
      ScoreModel(
        network, parameters: network.initialParameters(seed: 1), prediction: .edm, kernel: process.makeKernel(),
        duration: 1)
    }
    let student = model(network)
    let teacher: Teacher =
      switch instructor {
      case .score: .score(try #require(prepared.exactScore(of: DataLaw(try twoGaussians()))))
      case .network: .network(model(mlp([16, 16])))
      }
    let times = TrainingTimes(TrainingPlan(steps: 1, epsilon: end), kernel: student.kernel, duration: 1)
    func two(_ isTaught: Bool = true) -> TwoTimes {
      TwoTimes(
        student, process: prepared, teacher: isTaught ? teacher : nil, to: end, diagonal: 0.3,
        forward: name == "lagrangian-divergence" ? 0.5 : 0)
    }
    let ends = PathEnds.rows(RowSource(NoiseStream(seed: 4, purpose: .data).normals(count: rows, dimension: 2)))
    return switch name {
    case "denoising": DenoisingScoreMatching(student, process: prepared, times: times)
    case "flow-matching": FlowMatching(student, process: process, times: times)
    case "flow-matching-pairs": FlowMatching(student, process: process, coupling: .pairs, ends: ends, times: times)
    case "interpolant":
      FlowMatching(
        student, process: process, ends: ends, noise: InterpolantNoise(.quadratic), target: .reverseDrift, times: times)
    case "bridge-matching": BridgeMatching(student, process: prepared, ends: ends, times: times)
    case "consistency-distillation":
      ConsistencyDistillation(
        student, teacher: teacher, to: end, intervals: 9, steps: TeacherSteps(.rk4), loss: .pseudoHuber(0.03),
        times: times)
    case "consistency-distillation-average":
      ConsistencyDistillation(student, teacher: teacher, to: end, intervals: 9, target: .average, times: times)
    case "consistency-training":
      ConsistencyTraining(
        student, to: end, curriculum: .init(first: 10, doubling: 1000), loss: .pseudoHuber(0.001), times: times)
    case "easy-consistency":
      EasyConsistency(student, to: end, mapping: .init(stage: 1000), loss: .pseudoHuber(0), times: times)
    case "continuous-consistency", "continuous-consistency-taught", "continuous-consistency-weighted":
      ContinuousConsistency(
        student, process: prepared, teacher: name.hasSuffix("taught") ? teacher : nil, to: end, warmup: 10,
        times: times)
    case "progressive-distillation":
      ProgressiveDistillation(student, teacher: teacher, to: end, first: 4, stage: 1000, times: times)
    case "lagrangian", "lagrangian-divergence": LagrangianMap(two(), times: times)
    case let name where name.hasPrefix("distribution-matching"):
      DistributionMatching(
        student, teacher: teacher, to: end, from: [1, 0.4],
        divergence: name.hasSuffix("fisher") ? .fisher(alpha: 1.2) : .kullbackLeibler, times: times)
    case "eulerian": EulerianMap(two(), times: times)
    case "progressive": ProgressiveMap(two(false), times: times)
    case "mean-flow": MeanFlow(two(false), times: times)
    default: ShortcutMap(two(), levels: 3, times: times)
    }
  }

  @Test("a warm step takes no memory", arguments: names, Instructor.allCases)
  func steady(_ name: String, _ instructor: Instructor) throws {
    for time in [TimeFeatures.Kind.sinusoidal, .fourier] {
      try steady(name, Self.objective(name, instructor, time: time))
    }
  }

  private func steady(_ name: String, _ objective: any Objective) throws {
    let rows = Self.rows
    let data = NoiseStream(seed: 3, purpose: .data).normals(count: rows, dimension: 2).values.map { Float($0) }
    let times = (0..<rows).map { objective.times.time(atQuantile: (Double($0) + 0.5) / Double(rows)) }
    let run = ObjectiveRun(
      objective, parameters: objective.network.initialParameters(seed: 1), data: data, times: times)
    for step in 0..<9 { run.prepare(step: step) }
    for step in 0..<3 { run.take(step: step) }
    let before = allocation_count_of_program()
    for step in 3..<8 { run.take(step: step) }
    let count = allocation_count_of_program() - before
    if count > 0 {
      allocation_trace_next()
      run.take(step: 8)
    }
    #expect(count == 0, "\(name): \(count) allocations in five steps")
  }
}
