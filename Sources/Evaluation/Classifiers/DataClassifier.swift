// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Tensors

/// A small classifier of the data's classes.
///
/// The network is `ClassifierNetwork` with 32 features: convolutions for images, two layers of SiLU units for points.
/// It learns from the training rows, once for all samples that are judged by the same data, and always the same way:
/// it does not depend on a comparison's seed.
struct DataClassifier: Sendable {
  /// How many features a row has.
  static let featureCount = 32

  /// The classes of the data, in rising order.
  let classes: [Int]
  private let classifier: Classifier
  private let standardise: Standardisation

  /// The classifier of a reference's classes, trained on first use; that of all classes where the reference is of one.
  /// - Throws: `InputError` where there are no training rows, not two classes of them, or values that are not finite.
  static func of(_ reference: Reference) throws -> DataClassifier {
    if let whole = reference.whole { return try of(whole) }
    return try reference.once("classifier") { try DataClassifier(reference) }
  }

  private init(_ reference: Reference) throws {
    let rows = reference.training
    guard rows.count > 0 else {
      throw InputError("a classifier needs training rows with classes; there are none")
    }
    if let place = rows.values.firstIndex(where: { !$0.isFinite }) {
      throw InputError("training row \(place / rows.dimension) has \(rows.values[place]); allowed: finite values")
    }
    let labels = try (0..<rows.count).map { row in
      guard (reference.trainingConditions.count ?? rows.count) > row,
        case .label(let label) = reference.trainingConditions[row]
      else { throw InputError("a classifier needs data with classes; training row \(row) has none") }
      return label
    }
    let classes = Array(Set(labels)).sorted()
    guard classes.count > 1 else {
      throw InputError("a classifier needs two classes or more; all training rows have class \(classes[0])")
    }
    let place = Dictionary(uniqueKeysWithValues: classes.enumerated().map { ($1, $0) })
    let standardise = Standardisation(by: rows)
    let image = reference.image.flatMap { $0.height * $0.width * $0.channels == rows.dimension ? $0 : nil }
    let network = ClassifierNetwork(
      dimension: rows.dimension, classes: classes.count, hidden: [64, Self.featureCount], image: image)
    let x = standardise(rows)
    let parameters = Memory(repeating: Float(0), count: network.layout.count)
    // On a worker, as all products of matrices are.
    try Shards(rows: 1).forEach(threads: 1) { _, _ in
      var training = ClassifierTraining(network, x: x, labels: labels.map { place[$0]! }, seed: 0)
      // Classes differ more than samples and data do, and are told soon.
      (training.mostSteps, training.patience) = (1500, 200)
      for (i, value) in training.run().parameters.enumerated() { parameters[i] = value }
    }
    (self.classes, self.standardise) = (classes, standardise)
    classifier = Classifier(network: network, parameters: parameters.elements)
  }

  /// The features of rows: count × 32.
  func features(_ rows: Batch, threads: Int) throws -> Batch {
    Batch(values: try outputs(.features, rows, threads), dimension: Self.featureCount)
  }

  /// The class that each row is assigned to.
  func assigned(_ rows: Batch, threads: Int) throws -> [Int] {
    let values = try outputs(.probabilities, rows, threads)
    return (0..<rows.count).map { row in
      let own = values[row * classes.count..<(row + 1) * classes.count]
      return classes[(own.indices.max { own[$0] < own[$1] } ?? own.startIndex) - own.startIndex]
    }
  }

  private func outputs(_ output: Classifier.Output, _ rows: Batch, _ threads: Int) throws -> [Double] {
    guard rows.dimension == classifier.network.dimension else {
      throw InputError("rows of \(rows.dimension) values for a classifier of \(classifier.network.dimension)")
    }
    let width = output == .features ? Self.featureCount : classes.count
    let result = Memory(repeating: 0.0, count: rows.count * width)
    try Shards(rows: rows.count, size: Classifier.rows).forEach(threads: threads) { _, range in
      let part = Batch(
        values: Array(rows.values[range.lowerBound * rows.dimension..<range.upperBound * rows.dimension]),
        dimension: rows.dimension)
      let values = classifier(output, of: standardise(part), on: Tape(classifier.network.layout))
      for (i, value) in values.enumerated() { result[range.lowerBound * width + i] = Double(value) }
    }
    return result.elements
  }
}
