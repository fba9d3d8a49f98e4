// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Tensors

/// A trained `ClassifierNetwork`.
struct Classifier: Sendable {
  let network: ClassifierNetwork
  let parameters: [Float]

  /// What is wanted of each row.
  enum Output: Sendable { case features, probabilities }

  /// Features, rows × features, or probabilities of the classes, rows × classes.
  /// - Parameters:
  ///   - output: which of them.
  ///   - x: rows × dimension, standardised.
  ///   - tape: a worker's own, of the network's layout.
  func callAsFunction(_ output: Output, of x: [Float], on tape: Tape) -> [Float] {
    let (d, count) = (network.dimension, x.count / network.dimension)
    var result: [Float] = []
    parameters.withUnsafeBufferPointer { parameters in
      for first in stride(from: 0, to: count, by: Classifier.rows) {
        let rows = min(Classifier.rows, count - first)
        tape.begin(parameters: parameters.baseAddress!, recording: false)
        let input = tape.constant(rows: rows, columns: d)
        x.withUnsafeBufferPointer { input.values.update(from: $0.baseAddress! + first * d, count: rows * d) }
        var y = network.features(input, on: tape)
        if output == .probabilities { y = tape.softmax(network.logits(y, on: tape), scale: 1) }
        result.append(contentsOf: UnsafeBufferPointer(start: y.values, count: y.count))
      }
    }
    return result
  }

  /// How many rows pass at a time.
  static let rows = 256
}
