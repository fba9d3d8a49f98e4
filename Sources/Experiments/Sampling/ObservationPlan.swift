// SPDX-License-Identifier: GPL-3.0-or-later
import Conditioning
import Core
import Datasets
import Scores

/// What a config says was seen of the samples: `sampling.observation`.
public struct ObservationPlan: Sendable {
  /// How rows are seen, in the units of the data.
  public let model: any ObservationModel
  /// What was seen.
  public let value: Value

  /// Where observations come from.
  public enum Value: Sendable {
    /// The observations themselves, a row each.
    case given(Batch)
    /// Held-out rows (from 0), of which an observation is drawn.
    case heldOut([Int])
  }

  /// Reads `sampling.observation`.
  /// - Parameter data: what is seen; nil while options are only described.
  init(_ options: Options, data: (any DataSource)?, _ catalogue: Catalogue) throws {
    let dimension = data?.dimension ?? 2
    let recipe = try options.kind("operator", of: catalogue.operators, default: "matrix", in: catalogue, "y = A x + noise")
    let noise = try options.number("noise", in: .positive, "the deviation of Gaussian noise")
    let values = try options.numbers("value", "what was seen")
    guard !options.isDescribing, data != nil else {
      // Any model stands for what is not there yet.
      model = try LinearObservation(SparseMatrix(picking: [0], of: dimension), noise: .deviation(1))
      value = .given(Batch(values: [0], dimension: 1))
      return
    }
    let matrix = try options.located("operator") { try recipe.matrix(dimension: dimension, image: data?.imageShape) }
    model = try options.located("noise") { try LinearObservation(matrix, noise: .deviation(noise)) }
    guard values.count == model.observedDimension else {
      throw options.wrong(
        "value", "has \(values.count) values; allowed: \(model.observedDimension), as the operator gives")
    }
    value = .given(Batch(values: values, dimension: max(1, values.count)))
  }

  /// The observations, in the coordinates of a model.
  func observation(of data: DataInCoordinates, seed: UInt64) throws -> Observation {
    switch value {
    case .given(let values): return Observation(model, values: values)
    case .heldOut: throw InputError("not yet", at: "sampling.observation")
    }
  }
}

/// What is seen of a row as a matrix A, for rows of any size: what `operator` of an observation names. A package adds
/// its own as kinds of `Catalogue.operators`.
public protocol OperatorRecipe: Sendable {
  /// - Parameters:
  ///   - dimension: how many values a row has.
  ///   - image: how a row is to be seen as an image; nil for points.
  /// - Throws: `InputError` without a location for rows that the operator is not made for.
  func matrix(dimension: Int, image: ImageShape?) throws -> SparseMatrix
}
