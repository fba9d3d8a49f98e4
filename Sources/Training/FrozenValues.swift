// SPDX-License-Identifier: GPL-3.0-or-later
import Tensors

/// The values of an objective's frozen parameter sets, in memory that stays where it is for a whole training.
final class FrozenValues {
  private let sets: [(parameters: FrozenParameters, values: UnsafeMutablePointer<Float>)]

  /// - Parameter count: how many values the trained parameters have, and so their average.
  init(_ sets: [FrozenParameters], trained count: Int) {
    self.sets = sets.map { set in
      let values = UnsafeMutablePointer<Float>.allocate(capacity: max(1, set.network.layout.count))
      switch set.source {
      case .values(let given): values.initialize(from: given, count: given.count)
      case .average, .snapshot:
        precondition(set.network.layout.count == count, "the average of another network")
        values.initialize(repeating: 0, count: count)
      }
      return (set, values)
    }
  }

  deinit { for set in sets { set.values.deallocate() } }

  /// Takes over the average as it is before a step, and the snapshot where one is due.
  func update(_ state: inout TrainingState) {
    for set in sets {
      let values: [Float]
      switch set.parameters.source {
      case .values: continue
      case .average: values = state.averages
      case .snapshot(let every, let last):
        // A step that was skipped and is taken again finds the same.
        let isDue = state.step % every == 0 && state.step <= last
        let kept = isDue ? state.averages : state.snapshot ?? state.averages
        state.snapshot = kept
        values = kept
      }
      values.withUnsafeBufferPointer { set.values.update(from: $0.baseAddress!, count: $0.count) }
    }
  }

  /// Whether a step, from 0, begins with the average: which all ranks then need.
  func readsAverages(at step: Int) -> Bool {
    sets.contains { set in
      switch set.parameters.source {
      case .values: false
      case .average: true
      case .snapshot(let every): step % every == 0
      }
    }
  }

  /// The sets for one worker's tape, by name.
  func makeSets() -> [String: ParameterSet] {
    var made: [String: ParameterSet] = [:]
    for set in sets {
      let network = set.parameters.network
      made[set.parameters.name] = ParameterSet(network.layout, values: set.values, winograd: network.usesWinograd)
    }
    return made
  }
}
