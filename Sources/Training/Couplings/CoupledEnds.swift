// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Foundation

/// The ends x_T of a training step's paths, put to the rows of its batch by a coupling. Every number is a function of
/// the seed, the step and the row.
///
/// The plan of a step is found once, by whichever worker asks first; a worker that finds another at it makes the plan
/// of the next step meanwhile.
package final class CoupledEnds: @unchecked Sendable {
  private let coupling: Coupling
  private let ends: PathEnds
  private let dimension: Int
  /// σ(T), and what the mean ‖x_T − m(T) x₀‖² is divided by for an entropic plan.
  private let deviation, signal: Double
  private let guarded = NSCondition()
  /// The plans of the last steps; nil while one is made.
  private var plans: [Key: Plan?] = [:]
  /// How far the marginals of entropic plans are from what they should be, of steps whose plan did not converge.
  private var errors: [Int: Double] = [:]

  private struct Key: Hashable {
    let seed: UInt64
    let step: Int
  }

  /// The partners of a batch's rows.
  private struct Plan {
    let columns: [Int]
    /// nil: it is exact, or its iterations converged.
    var error: Double?
  }

  /// How many plans are kept.
  private static let kept = 8

  /// - Parameters:
  ///   - dimension: how many values a row has.
  ///   - signal: m(T)
  ///   - deviation: σ(T)
  package init(_ coupling: Coupling, _ ends: PathEnds, dimension: Int, signal: Double, deviation: Double) {
    (self.coupling, self.ends, self.dimension) = (coupling, ends, dimension)
    (self.signal, self.deviation) = (signal, deviation)
  }

  /// Writes x_T of some rows of a batch.
  /// - Parameters:
  ///   - shard: the rows.
  ///   - seed: of the training.
  ///   - out: rows × dimension, whose first row is the shard's.
  package func write(_ shard: TrainingShard, seed: UInt64, into out: Rows) {
    switch coupling {
    case .independent:
      for i in 0..<out.count { draw(shard.rows.lowerBound + i, shard.step, seed, into: out.row(i)) }
    case .pairs:
      guard case .rows(let source) = ends else { preconditionFailure("pairs have rows") }
      for i in 0..<out.count {
        source.copy(shard.items[i], variation: Self.variation(seed, shard.step, 0), into: out.row(i).values)
      }
    case .minibatchOT, .minibatchEntropic:
      let partners = plan(shard, seed)
      for i in 0..<out.count { draw(partners[shard.rows.lowerBound + i], shard.step, seed, into: out.row(i)) }
    }
  }

  /// Writes the draw of a number, which knows nothing of the data.
  private func draw(_ number: Int, _ step: Int, _ seed: UInt64, into x: Rows) {
    let row = Rows(memory: x.values, first: number, count: 1, dimension: dimension)
    switch ends {
    case .prior:
      NoiseStream(seed: seed, purpose: .trainingNoise).normals(into: row, step: step)
      for j in 0..<dimension { row.values[j] *= deviation }
    case .rows(let source):
      withUnsafeTemporaryAllocation(of: Double.self, capacity: 1) { memory in
        guard let base = memory.baseAddress else { return }
        let uniform = Rows(memory: base, first: number, count: 1, dimension: 1)
        NoiseStream(seed: seed, purpose: .sourceRow).uniforms(into: uniform, step: step)
        let item = min(Int(uniform.values[0] * Double(source.count)), source.count - 1)
        source.copy(item, variation: Self.variation(seed, step, number), into: x.values)
      }
    }
  }

  /// Ends are rows as they are, without crops or flips.
  private static func variation(_ seed: UInt64, _ step: Int, _ row: Int) -> Variation {
    Variation(uniforms: SIMD3(repeating: 0.5), seed: seed, step: step, row: row)
  }

  /// The number of the draw that each row of a step's batch gets.
  private func plan(_ shard: TrainingShard, _ seed: UInt64) -> [Int] {
    let key = Key(seed: seed, step: shard.step)
    while true {
      guarded.lock()
      switch plans[key] {
      case .some(.some(let known)):
        // Plans made ahead are noted once they are used: a training may end before.
        if let error = known.error { errors[key.step] = error }
        guarded.unlock()
        return known.columns
      case .none:
        plans[key] = .some(nil)
        guarded.unlock()
        keep(make(shard.step, shard, seed), key)
      case .some(.none):
        // Another worker makes it.
        let ahead = Key(seed: seed, step: shard.step + 1)
        if plans[ahead] == nil {
          plans[ahead] = .some(nil)
          guarded.unlock()
          keep(make(ahead.step, shard, seed), ahead)
        } else {
          guarded.wait()
          guarded.unlock()
        }
      }
    }
  }

  /// What a reader should know of the plans that were used; nil: they are what they should be.
  var note: String? {
    guarded.lock()
    defer { guarded.unlock() }
    guard let worst = errors.values.max() else { return nil }
    return "the entropic plans of \(errors.count) step\(errors.count == 1 ? "" : "s") did not converge in "
      + "\(EntropicPlan.mostTurns) turns: rows are wrong by up to \(Self.written(worst)) of all mass, so that ends are not "
      + "paired quite as the Schrödinger bridge has them; a larger σ(T) of the process, data of a smaller scale or a "
      + "smaller training.batch converge sooner, and coupling minibatch-ot needs no turns"
  }

  private static func written(_ value: Double) -> String { String(format: "%.1e", value) }

  private func keep(_ plan: Plan, _ key: Key) {
    guarded.lock()
    plans[key] = plan
    if plans.count > Self.kept {
      let old = plans.filter { $0.value != nil && $0.key.step < key.step }.keys.min { $0.step < $1.step }
      if let old { plans[old] = nil }
    }
    guarded.broadcast()
    guarded.unlock()
  }

  /// Finds the plan of a step.
  private func make(_ step: Int, _ shard: TrainingShard, _ seed: UInt64) -> Plan {
    let n = shard.batch
    var data = [Float](repeating: 0, count: n * dimension)
    data.withUnsafeMutableBufferPointer { if let base = $0.baseAddress { shard.copyBatch(step, base) } }
    var drawn = Batch(count: n, dimension: dimension)
    drawn.withRows { rows in for i in 0..<n { draw(i, step, seed, into: rows.row(i)) } }
    let isEntropic = coupling == .minibatchEntropic
    let scale = isEntropic ? signal : 1
    var costs = [Double](repeating: 0, count: n * n)
    for i in 0..<n {
      for j in 0..<n {
        var square = 0.0
        for c in 0..<dimension {
          let difference = drawn.values[j * dimension + c] - scale * Double(data[i * dimension + c])
          square += difference * difference
        }
        costs[i * n + j] = isEntropic ? square / (2 * deviation * deviation) : square
      }
    }
    // Rows that are no numbers are the trainer's to report; they get any partner.
    for k in costs.indices where !costs[k].isFinite { costs[k] = 1e30 }
    guard isEntropic else { return Plan(columns: Assignment(costs, count: n).columns) }
    let uniforms = NoiseStream(seed: seed, purpose: .partner).uniforms(count: n, dimension: 1, step: step).values
    let plan = EntropicPlan(costs, count: n)
    return Plan(columns: plan.columns(uniforms), error: plan.isConverged ? nil : plan.marginalError)
  }
}
