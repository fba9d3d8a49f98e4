// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Models
import Networks
import Processes
import Tensors
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
      let (tape, worker) = (own.network.makeTape(), objective.makeWorker(rows: rows, seed: 2))
      var data = NoiseStream(seed: 3, purpose: .data).normals(count: rows, dimension: 2).values.map { Float($0) }
      let instants = (0..<rows).map { end + (1 - end) * (Double($0) + 0.5) / Double(rows) }
      return own.parameters.withUnsafeBufferPointer { parameters in
        taught.parameters.withUnsafeBufferPointer { values in
          tape.begin(parameters: parameters.baseAddress!, recording: true, composing: objective.needsTangents)
          return data.withUnsafeMutableBufferPointer { data in
            instants.withUnsafeBufferPointer {
              let set = ParameterSet(taught.network.layout, values: values.baseAddress!)
              let frozen = Dictionary(uniqueKeysWithValues: objective.frozen.map { ($0.name, set) })
              let shard = TrainingShard(
                rows: 0..<rows, data: data, times: $0.baseAddress!, frozen: frozen, step: 0, batch: rows)
              return Double(worker.loss(of: shard, on: tape).values[0])
            }
          }
        }
      }
    }
    for isTwice in [false, true] {
      let (network, score) = (loss(.network(taught), isTwice), loss(.score(taught.score()), isTwice))
      // Scores of doubles and of floats, through Heun steps of 6 intervals.
      #expect(network > 1e-3 && abs(network / score - 1) < 1e-4, "\(network) \(score)")
    }
  }
}
