// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Models
import Networks
import Processes
import Tensors
import TestSupport
import Testing
import Training

@Suite("Teachers") struct TeacherTests {
  /// A score of a network is evaluated by its own conventions: so must a teacher be that is one.
  @Test(
    "a network that is told noise levels otherwise than the student teaches what its score does",
    arguments: [TimeFeatures.Kind.sinusoidal, .fourier], [TimeFeatures.Kind.sinusoidal, .fourier])
  func otherLevels(student: TimeFeatures.Kind, teacher: TimeFeatures.Kind) throws {
    let (process, end, rows) = (VPSDE(), 0.01, 32)
    let prepared = PreparedProcess(process)
    func model(_ kind: TimeFeatures.Kind, seed: UInt64, second: Bool) -> ScoreModel {
      let network = MLP(
        dimension: 2, hidden: [12, 12], features: TimeFeatures(kind, count: 8, scale: 0.2, seed: 1), second: second)
      let normals = NoiseStream(seed: seed, purpose: .weights).normals(count: 1, dimension: network.layout.count)
      return ScoreModel(
        network, parameters: normals.values.map { Float(0.3 * $0) }, prediction: seed == 4 ? .edm : .velocity,
        kernel: process.makeKernel(), duration: 1)
    }
    let taught = model(teacher, seed: 5, second: false)
    func loss(_ teacher: Teacher, _ isTwice: Bool) -> Double {
      let own = model(student, seed: 4, second: isTwice)
      let times = TrainingTimes(TrainingPlan(steps: 1, epsilon: end), kernel: own.kernel, duration: 1)
      let objective: any Objective =
        isTwice
        ? LagrangianMap(TwoTimes(own, process: prepared, teacher: teacher, to: end, diagonal: 0.3), times: times)
        : ConsistencyDistillation(own, teacher: teacher, to: end, intervals: 6, times: times)
      let data = NoiseStream(seed: 3, purpose: .data).normals(count: rows, dimension: 2).values.map { Float($0) }
      let instants = (0..<rows).map { end + (1 - end) * (Double($0) + 0.5) / Double(rows) }
      return ObjectiveRun(objective, parameters: own.parameters, data: data, times: instants).take()
    }
    for isTwice in [false, true] {
      let (network, score) = (loss(.network(taught), isTwice), loss(.score(taught.score()), isTwice))
      // Scores of doubles and of floats, through Heun steps of 6 intervals.
      #expect(network > 1e-3 && abs(network / score - 1) < 1e-4, "\(network) \(score)")
    }
  }

  /// The loss of matched distributions by Fisher's divergence, and its gradient by the student's parameters.
  private func matched(_ teacher: Teacher, isDropping: Bool = false) -> (Double, [Float]) {
    let (end, rows) = (0.01, 32)
    let inner = MLP(
      dimension: 2, hidden: [12, 12], features: TimeFeatures(.fourier, count: 8, scale: 0.2, seed: 1))
    let network = CompanionNetwork(inner)
    let parameters = NoiseStream(seed: 4, purpose: .weights).normals(count: 1, dimension: network.layout.count).values
      .map { Float(0.3 * $0) }
    let model = ScoreModel(
      network, parameters: parameters, prediction: .edm, kernel: VPSDE().makeKernel(), duration: 1)
    let times = TrainingTimes(TrainingPlan(steps: 1, epsilon: end), kernel: model.kernel, duration: 1)
    let objective = DistributionMatching(
      model, teacher: teacher, to: end, from: [1, 0.4], divergence: .fisher(alpha: 1.2), times: times)
    let data = NoiseStream(seed: 3, purpose: .data).normals(count: rows, dimension: 2).values.map { Float($0) }
    let instants = (0..<rows).map { end + (1 - end) * (Double($0) + 0.5) / Double(rows) }
    let run = ObjectiveRun(
      objective, parameters: parameters, data: data, times: instants, dropout: isDropping ? 1 : nil)
    return (run.take(), run.gradient)
  }

  @Test("Fisher's divergence has a network's derivatives on the tape, and those of its score by pullback")
  func fisher() throws {
    let network = MLP(
      dimension: 2, hidden: [10, 9], features: TimeFeatures(.sinusoidal, count: 8, scale: 0.2, seed: 1))
    let normals = NoiseStream(seed: 5, purpose: .weights).normals(count: 1, dimension: network.layout.count)
    let taught = ScoreModel(
      network, parameters: normals.values.map { Float(0.3 * $0) }, prediction: .velocity,
      kernel: VPSDE().makeKernel(), duration: 1)
    let (onTape, by) = (matched(.network(taught)), matched(.score(taught.score())))
    #expect(abs(onTape.0 - by.0) < 1e-4 * abs(by.0), "\(onTape.0), \(by.0)")
    // Floats on both sides.
    #expect(largest(by.1) > 1e-3 && difference(onTape.1, by.1) < 1e-4 * largest(by.1))
  }

  @Test("a teacher has no dropout") func dropout() throws {
    func teacher(_ rate: Double) throws -> ScoreModel {
      let network = Dropping(rate: rate)
      return ScoreModel(
        network, parameters: [0.3], prediction: .velocity, kernel: VPSDE().makeKernel(), duration: 1)
    }
    let plain = matched(.network(try teacher(0)), isDropping: true)
    let dropping = matched(.network(try teacher(0.5)), isDropping: true)
    #expect(plain == dropping && plain.0.isFinite)
  }
}

/// p x with dropout.
private struct Dropping: Network {
  let dimension = 2
  let noiseInput = NoiseLevelInput.time
  let rate: Double
  let layout: ParameterLayout

  init(rate: Double) {
    self.rate = rate
    var layout = ParameterLayout()
    layout.add("p", shape: [1, 1])
    self.layout = layout
  }

  func initialParameters(seed: UInt64) -> [Float] { [0.3] }

  func forward(_ x: Tensor, noiseLevel: Tensor, second: Tensor?, condition: Tensor?, on tape: Tape) -> Tensor {
    let column = tape.reshape(x, rows: 2 * x.rows)
    return tape.dropout(tape.reshape(tape.matrixProduct(column, tape.parameter(0)), rows: x.rows), rate: rate)
  }
}
