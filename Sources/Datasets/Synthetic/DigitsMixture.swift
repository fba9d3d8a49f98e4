// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Scores

/// A Gaussian mixture fitted to the digits that train: images whose law is known, so that posteriors of it are exact.
///
/// Each class is a component. Its covariance is half its own and half that of all classes about their means, as 150
/// rows do not know 64 × 64 numbers (Friedman 1989, regularised discriminant analysis), and `floor` I.
///
/// In colour each class is a component in each of three inks h, red, green and blue: where a gray digit is x, a pixel's
/// channels are −1 + h_c (x + 1).
enum DigitsMixture {
  /// The variance that every pixel has at least.
  private static let floor = 0.02
  /// Channels of the inks.
  private static let inks = [[1, 0.2, 0.2], [0.2, 0.8, 0.2], [0.3, 0.4, 1]]

  /// The law, which is made once.
  static func law(isColoured: Bool) throws -> Law { try (isColoured ? coloured : gray).get() }

  /// A mixture, and the class of each component.
  typealias Law = (mixture: GaussianMixture, classes: [Int])

  private static let gray = Result { try fitted(isColoured: false) }
  private static let coloured = Result { try fitted(isColoured: true) }

  private static func fitted(isColoured: Bool) throws -> Law {
    let digits = try Digits().load(seed: 0)
    guard let labels = digits.trainingConditions.listedClasses else {
      preconditionFailure("digits have classes")
    }
    let d = digits.trainingRows.dimension
    let groups = (0..<10).map { k in
      labels.indices.filter { labels[$0] == k }.map { digits.trainingRows.row($0) }
    }
    let means = groups.map { rows in
      (0..<d).map { j in rows.reduce(0) { $0 + $1[j] } / Double(rows.count) }
    }
    let own = zip(groups, means).map { rows, mean -> Matrix in
      var sum = Matrix(rows: d, columns: d)
      for row in rows {
        for i in 0..<d { for j in 0...i { sum[i, j] += (row[i] - mean[i]) * (row[j] - mean[j]) } }
      }
      for i in 0..<d {
        for j in 0...i {
          sum[i, j] /= Double(rows.count - 1)
          sum[j, i] = sum[i, j]
        }
      }
      return sum
    }
    var pooled = Matrix(rows: d, columns: d)
    for (rows, covariance) in zip(groups, own) {
      pooled = pooled + (Double(rows.count) / Double(labels.count)) * covariance
    }
    let covariances = own.map { 0.5 * $0 + 0.5 * pooled }
    let eigen = covariances.map(\.symmetricEigen)
    let weights = groups.map { Double($0.count) }
    guard isColoured else {
      return (
        GaussianMixture(
          weights: weights, means: Batch(rows: means),
          covariances: eigen.map { (values: $0.values.map { max(0, $0) + floor }, vectors: $0.vectors) }),
        Array(0..<10)
      )
    }
    var all: [(values: [Double], vectors: Matrix)] = []
    for ink in inks { for k in 0..<10 { all.append(inked(eigen[k], ink)) } }
    return (
      GaussianMixture(
        weights: inks.flatMap { _ in weights },
        means: Batch(rows: inks.flatMap { ink in means.map { $0.flatMap { x in ink.map { -1 + $0 * (x + 1) } } } }),
        covariances: all),
      inks.flatMap { _ in Array(0..<10) }
    )
  }

  /// The eigenvalues and vectors of Σ ⊗ h hᵀ + floor I, where those of Σ are known: along h, and across it.
  private static func inked(
    _ eigen: (values: [Double], vectors: Matrix), _ ink: [Double]
  ) -> (values: [Double], vectors: Matrix) {
    let (d, square) = (eigen.values.count, ink.reduce(0) { $0 + $1 * $1 })
    // The largest value of h hᵀ is last or first; the others are 0.
    let axes = Matrix(ink.map { a in ink.map { a * $0 } }).symmetricEigen
    let along = axes.values.indices.max { axes.values[$0] < axes.values[$1] } ?? 0
    var (values, vectors) = ([Double](), Matrix(rows: 3 * d, columns: 3 * d))
    for axis in 0..<3 {
      for e in 0..<d {
        let column = values.count
        values.append((axis == along ? square * max(0, eigen.values[e]) : 0) + floor)
        for i in 0..<d {
          for c in 0..<3 { vectors[3 * i + c, column] = eigen.vectors[i, e] * axes.vectors[c, axis] }
        }
      }
    }
    return (values, vectors)
  }
}

extension MixtureData {
  /// Draws from the mixture that is fitted to the digits, as images of 8 × 8 pixels.
  /// - Parameters:
  ///   - isColoured: whether images have three channels, and digits one of three inks.
  ///   - hasClasses: whether rows have the classes of their digits.
  ///   - count: how many rows are drawn to train on.
  ///   - heldOut: how many rows are drawn to judge by.
  public static func digits(
    isColoured: Bool = false, hasClasses: Bool = false, count: Int = 10_000, heldOut: Int = 5_000
  ) throws -> MixtureData {
    let (mixture, classes) = try DigitsMixture.law(isColoured: isColoured)
    return MixtureData(
      mixture, classes: hasClasses ? classes : nil, count: count, heldOut: heldOut,
      imageShape: ImageShape(height: 8, width: 8, channels: isColoured ? 3 : 1))
  }
}
