// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Tensors

/// Features of rows by a small classifier that was trained on the data's classes, for the Fréchet distance and KID.
///
/// The network is `ClassifierNetwork` with 32 features: convolutions for images, two layers of SiLU units for points.
/// It learns from the training rows, once for all samples that are judged by the same data, and always the same way:
/// features do not depend on a comparison's seed.
public struct FeatureMap: Sendable {
  /// How many features a row has.
  public static let count = 32

  /// The classes of the data, in rising order, and the probability of each.
  let classes: [Int]
  private let classifier: Classifier
  private let standardise: Standardisation

  /// The features of a reference's classes, trained on first use.
  /// - Parameter reference: training rows, each with a class.
  /// - Throws: `InputError` where there are no training rows, or not two classes of them.
  public static func classifier(of reference: Reference) throws -> FeatureMap {
    try reference.once("classifier") { try FeatureMap(reference) }
  }

  private init(_ reference: Reference) throws {
    let rows = reference.training
    guard rows.count > 0 else {
      throw InputError("features of a classifier need training rows with classes; there are none")
    }
    let labels = try (0..<rows.count).map { row in
      guard (reference.trainingConditions.count ?? rows.count) > row,
        case .label(let label) = reference.trainingConditions[row]
      else { throw InputError("features of a classifier need data with classes; row \(row) of the training rows has none") }
      return label
    }
    let classes = Array(Set(labels)).sorted()
    guard classes.count > 1 else {
      throw InputError("features of a classifier need two classes or more; all training rows have class \(classes[0])")
    }
    let place = Dictionary(uniqueKeysWithValues: classes.enumerated().map { ($1, $0) })
    let standardise = Standardisation(by: rows)
    let network = ClassifierNetwork(
      dimension: rows.dimension, classes: classes.count, hidden: [64, Self.count], image: reference.image)
    let x = standardise(rows)
    let parameters = Memory(repeating: Float(0), count: network.layout.count)
    // On a worker, as all products of matrices are.
    try Shards(rows: 1).forEach(threads: 1) { _, _ in
      let training = ClassifierTraining(network, x: x, labels: labels.map { place[$0]! }, seed: 0)
      for (i, value) in training.run().parameters.enumerated() { parameters[i] = value }
    }
    (self.classes, self.standardise) = (classes, standardise)
    classifier = Classifier(network: network, parameters: parameters.elements)
  }

  /// The features of rows: count × 32.
  /// - Parameters:
  ///   - rows: count × dimension.
  ///   - threads: how many may be used; the result does not depend on it.
  public func callAsFunction(_ rows: Batch, threads: Int) throws -> Batch {
    Batch(values: try outputs(.features, rows, threads), dimension: Self.count)
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
    let width = output == .features ? Self.count : classes.count
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
