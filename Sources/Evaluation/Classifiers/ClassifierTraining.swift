// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core
import Glibc
import Tensors

/// Trains a `ClassifierNetwork` by AdamW on the cross-entropy, with every class of equal weight in sum.
///
/// One row of seven is held back. The moving average of the parameters that has the lowest loss on those rows is the
/// result, and the training ends when it has not become better for 1,500 steps: so it neither overfits 300 rows nor stops
/// short on 10,000. It runs on the worker that calls it; the result depends on the seed and the rows alone.
struct ClassifierTraining {
  let network: ClassifierNetwork
  /// Rows × dimension, standardised.
  let x: [Float]
  /// The class of each row.
  let labels: [Int]
  let seed: UInt64
  /// Of each class's rows.
  private let weights: [Float]
  /// How many steps there are at most.
  var mostSteps = 6000
  /// How many steps without a better loss end the training: laws of equal means, as a ring and modes on it, have a loss
  /// that stays for a thousand steps before it falls.
  var patience = 1500
  private static let (rate, decay): (Float, Float) = (3e-3, 0.01)

  private static let fold = 7

  /// - Parameters:
  ///   - network: what is trained.
  ///   - x: rows × dimension, standardised.
  ///   - labels: the class of each row.
  ///   - seed: keys all random numbers.
  init(_ network: ClassifierNetwork, x: [Float], labels: [Int], seed: UInt64) {
    (self.network, self.x, self.labels, self.seed) = (network, x, labels, seed)
    var counts = [Float](repeating: 0, count: network.classes)
    for label in labels { counts[label] += 1 }
    weights = counts.map { $0 > 0 ? Float(labels.count) / (Float(network.classes) * $0) : 0 }
  }

  func run() -> Classifier {
    let groups = Dictionary(grouping: labels.indices) { labels[$0] }
    let keys = NoiseStream(seed: seed, purpose: .folds).uniforms(count: labels.count, dimension: 1, step: 1).values
    var (training, heldBack): ([Int], [Int]) = ([], [])
    for label in groups.keys.sorted() {
      let rows = groups[label]!.sorted { keys[$0] == keys[$1] ? $0 < $1 : keys[$0] < keys[$1] }
      let count = rows.count / Self.fold
      heldBack += rows.prefix(count)
      training += rows.dropFirst(count)
    }
    // Too few to hold any back: they are judged by what they learn from, and the steps are few.
    if heldBack.isEmpty { heldBack = training }
    return fit(training, heldBack, keys)
  }

  private func fit(_ training: [Int], _ heldBack: [Int], _ keys: [Double]) -> Classifier {
    let layout = network.layout
    let tape = Tape(layout)
    var parameters = network.initialParameters(seed: seed)
    var gradients = [Float](repeating: 0, count: layout.count)
    var (first, second, averages) = (gradients, gradients, parameters)
    var best = (loss: Double.infinity, step: 0, parameters: parameters)
    let batch = min(max(training.count / 16, 32), Classifier.rows, training.count)
    let perEpoch = (training.count + batch - 1) / batch
    let interval = max(20, perEpoch)
    var (order, step) = (training, 0)
    while step < mostSteps {
      if step % perEpoch == 0 { shuffle(&order, epoch: step / perEpoch) }
      let start = step % perEpoch * batch
      let rows = order[start..<min(start + batch, order.count)]
      step += 1
      let power = Double(step)
      var adam = ck_adam_step(
        gradient_scale: 1, rate: Float(Double(Self.rate) / (1 - pow(0.9, power))), beta1: 0.9, beta2: 0.999,
        epsilon: 1e-8,
        second_correction: Float(1 / (1 - pow(0.999, power)).squareRoot()), decay: Self.rate * Self.decay,
        average: Float(min(0.95, power / (power + 10))))
      parameters.withUnsafeMutableBufferPointer { p in
        gradients.withUnsafeMutableBufferPointer { g in
          tape.begin(parameters: p.baseAddress!, recording: true)
          let logits = network.logits(network.features(input(rows, on: tape), on: tape), on: tape)
          let adjoint = tape.constant(rows: logits.rows, columns: logits.columns)
          _ = loss(logits, rows, adjoint: adjoint)
          tape.backward(from: logits, adjoint: adjoint, gradients: g.baseAddress!)
          ck_adam(&adam, p.baseAddress!, g.baseAddress!, &first, &second, &averages, layout.count)
        }
      }
      if step % interval == 0 || step == mostSteps {
        let value = meanLoss(heldBack, averages, on: tape)
        if value < best.loss { best = (value, step, averages) }
        if step - best.step >= patience { break }
      }
    }
    return Classifier(network: network, parameters: best.parameters)
  }

  private func shuffle(_ order: inout [Int], epoch: Int) {
    let keys = NoiseStream(seed: seed, purpose: .epochs).uniforms(count: order.count, dimension: 1, step: epoch).values
    let places = order.indices.sorted { keys[$0] == keys[$1] ? $0 < $1 : keys[$0] < keys[$1] }
    order = places.map { order[$0] }
  }

  private func input(_ rows: ArraySlice<Int>, on tape: Tape) -> Tensor {
    let tensor = tape.constant(rows: rows.count, columns: network.dimension)
    x.withUnsafeBufferPointer { x in
      for (i, row) in rows.enumerated() {
        (tensor.values + i * network.dimension).update(
          from: x.baseAddress! + row * network.dimension, count: network.dimension)
      }
    }
    return tensor
  }

  /// The weighted cross-entropy of some rows, and its derivative by the logits where wanted.
  private func loss(_ logits: Tensor, _ rows: ArraySlice<Int>, adjoint: Tensor? = nil) -> (sum: Double, weight: Double)
  {
    let classes = network.classes
    let total = rows.reduce(Float(0)) { $0 + weights[labels[$1]] }
    var sum = 0.0
    for (i, row) in rows.enumerated() {
      let y = logits.values + i * classes
      var top = y[0]
      for c in 1..<classes { top = max(top, y[c]) }
      var all: Float = 0
      for c in 0..<classes { all += expf(y[c] - top) }
      let weight = weights[labels[row]]
      sum += Double(weight * (logf(all) + top - y[labels[row]]))
      guard let adjoint else { continue }
      for c in 0..<classes {
        adjoint.values[i * classes + c] = weight / total * (expf(y[c] - top) / all - (c == labels[row] ? 1 : 0))
      }
    }
    return (sum, Double(total))
  }

  private func meanLoss(_ rows: [Int], _ parameters: [Float], on tape: Tape) -> Double {
    var (sum, weight) = (0.0, 0.0)
    parameters.withUnsafeBufferPointer { parameters in
      for start in stride(from: 0, to: rows.count, by: Classifier.rows) {
        let part = rows[start..<min(start + Classifier.rows, rows.count)]
        tape.begin(parameters: parameters.baseAddress!, recording: false)
        let loss = loss(network.logits(network.features(input(part, on: tape), on: tape), on: tape), part)
        sum += loss.sum
        weight += loss.weight
      }
    }
    return sum / weight
  }
}
