// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Networks
import Tensors
import Training

/// An objective with what a trainer gives it, on one thread: rows with their times, parameters, and frozen sets, of
/// which averages and snapshots are the parameters themselves. A step that was prepared takes nothing from the heap.
final class ObjectiveRun {
  private let objective: any Objective
  private let tape: Tape
  private let worker: any ObjectiveWorker
  private let rows: Range<Int>
  private let batch: Int
  private let parameters, data, slopes: UnsafeMutableBufferPointer<Float>
  private let times: UnsafeMutableBufferPointer<Double>
  private let sets: [UnsafeMutableBufferPointer<Float>]
  private let frozen: [String: ParameterSet]
  private let classes: [Int]
  /// The dropout of a step; nil: none.
  private let dropout: UInt64?
  /// By step: to make one takes memory.
  private var shards: [Int: TrainingShard] = [:]

  /// - Parameters:
  ///   - parameters: of the objective's network.
  ///   - data: the rows, one after the other; there may be more behind them.
  ///   - times: of each row.
  ///   - classes: of each row, where the network is told them.
  ///   - first: the place of the first row in its batch.
  ///   - batch: how many rows that has; nil: these are its last.
  ///   - seed: the worker's.
  ///   - dropout: a seed; nil: no dropout.
  init(
    _ objective: any Objective, parameters: [Float], data: [Float], times: [Double], classes: [Int] = [],
    first: Int = 0, batch: Int? = nil, seed: UInt64 = 2, dropout: UInt64? = nil
  ) {
    func kept<Element>(_ values: [Element]) -> UnsafeMutableBufferPointer<Element> {
      let memory = UnsafeMutableBufferPointer<Element>.allocate(capacity: values.count)
      _ = memory.initialize(from: values)
      return memory
    }
    (self.objective, self.dropout, rows) = (objective, dropout, first..<first + times.count)
    (self.batch, self.classes) = (batch ?? rows.upperBound, classes)
    (tape, worker) = (objective.network.makeTape(), objective.makeWorker(rows: times.count, seed: seed))
    (self.parameters, self.data, self.times) = (kept(parameters), kept(data), kept(times))
    slopes = kept(parameters.map { _ in 0 })
    var (sets, frozen): ([UnsafeMutableBufferPointer<Float>], [String: ParameterSet]) = ([], [:])
    for set in objective.frozen {
      let values = if case .values(let given) = set.source { kept(given) } else { kept(parameters) }
      sets.append(values)
      frozen[set.name] = ParameterSet(set.network.layout, values: values.baseAddress!)
    }
    (self.sets, self.frozen) = (sets, frozen)
  }

  deinit {
    for memory in sets + [parameters, data, slopes] { memory.deallocate() }
    times.deallocate()
  }

  /// The gradient of the last step.
  var gradient: [Float] { Array(slopes) }

  /// Makes what a step is told.
  @discardableResult func prepare(step: Int) -> TrainingShard {
    let shard = TrainingShard(
      rows: rows, data: data, times: times.baseAddress!, frozen: frozen, step: step, batch: batch)
    shards[step] = shard
    return shard
  }

  /// The loss of all rows at a step, with its gradient.
  @discardableResult func take(step: Int = 0) -> Double {
    // As a trainer does.
    let isComposing = objective.needsTangents
    tape.begin(parameters: parameters.baseAddress!, recording: true, composing: isComposing, once: !isComposing)
    if let dropout { tape.enableDropout(seed: dropout, step: step, firstRow: 0) }
    var shard = shards[step] ?? prepare(step: step)
    if !classes.isEmpty {
      let told = tape.constant(rows: classes.count, columns: 1)
      for (i, label) in classes.enumerated() { told.values[i] = Float(label) }
      shard = TrainingShard(
        rows: rows, data: data, times: times.baseAddress!, condition: told, frozen: frozen, step: step, batch: batch)
    }
    let loss = worker.loss(of: shard, on: tape)
    tape.backward(from: loss, gradients: slopes.baseAddress!)
    return Double(loss.values[0])
  }
}
