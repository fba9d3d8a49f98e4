// SPDX-License-Identifier: GPL-3.0-or-later
import Conditioning
import Core
import Datasets
import Processes
import Scores
import Solvers

/// Where samples begin instead of with draws of the prior: what `sampling.start` names. A package adds its own as kinds
/// of `Catalogue.starts`.
public protocol StartRecipe: Sendable {
  /// The time at which solvers begin: above ε, at most T.
  var time: Double { get }

  /// - Parameters:
  ///   - process: with its kernel.
  ///   - data: in their own units.
  /// - Throws: `InputError` without a location for what the start is not made for. Nothing is loaded yet.
  func check(_ process: PreparedProcess, _ data: any DataSource) throws

  /// The rows of data that samples begin with, in the data's units: sample i with row i mod their number.
  /// - Throws: `InputError` for rows that there are not.
  func rows(of data: DataInCoordinates) throws -> Batch

  /// - Parameters:
  ///   - rows: those that `rows` gave, as a model sees them.
  ///   - process: with its kernel.
  ///   - seed: of the experiment.
  ///   - period: how many rows of noise a repeat has; nil: there is one repeat. Sample i of each begins with the same.
  func beginning(_ rows: Batch, _ process: PreparedProcess, seed: UInt64, period: Int?) throws -> Beginning
}

/// SDEdit (Meng et al. 2022): rows of data with the noise of a time t, m(t) x + σ(t) z, from which solvers go on. The
/// larger t, the less of the rows is left.
struct SDEdit: StartRecipe {
  let time: Double
  let source: ObservedSource

  func check(_ process: PreparedProcess, _ data: any DataSource) throws {
    guard process.scalarKernel != nil else {
      throw InputError("needs a process whose perturbation kernel is m(t) x₀ + σ(t) z")
    }
    switch source {
    case .heldOut, .firstHeldOut: break
    case .rows, .file: _ = try given(RowShape(dimension: data.dimension, image: data.imageShape))
    }
  }

  /// The rows that the config gives.
  private func given(_ shape: RowShape) throws -> Batch {
    let rows = try source.batch(of: shape, -1...1)
    guard shape.image != nil, let far = rows.values.first(where: { abs($0) > 1 }) else { return rows }
    throw InputError("holds \(written(far)); allowed: pixels from −1 to 1")
  }

  func rows(of data: DataInCoordinates) throws -> Batch {
    let held = data.dataset.heldOutRows
    guard let numbers = try source.numbers(of: held.count, at: "sampling.start") else {
      return try given(RowShape(dimension: data.dataset.trainingRows.dimension, image: data.source.imageShape))
    }
    return Batch(rows: numbers.map { held.row($0) })
  }

  func beginning(_ rows: Batch, _ process: PreparedProcess, seed: UInt64, period: Int?) throws -> Beginning {
    guard let moments = process.scalarKernel?.moments(at: time) else {
      throw InputError("needs a process whose perturbation kernel is m(t) x₀ + σ(t) z", at: "sampling.start")
    }
    let stream = NoiseStream(seed: seed, purpose: .edit)
    let (scale, deviation) = (moments.scale, moments.variance.squareRoot())
    return Beginning(at: time) { x in
      stream.normals(into: x, step: 0)
      for row in 0..<x.count {
        let number = x.first + row
        let source = rows.row((period.map { number % $0 } ?? number) % rows.count)
        for (j, value) in source.enumerated() { x[row, j] = scale * value + deviation * x[row, j] }
      }
    }
  }
}

extension SamplingPlan {
  /// Where solvers begin; nil: at T, with draws of the prior.
  /// - Parameters:
  ///   - data: rows, and their coordinates.
  ///   - process: with its kernel.
  ///   - seed: of the experiment.
  ///   - repeats: how often each solver draws.
  ///   - score: that of the samples, which says how far apart the rows of two repeats are.
  func beginning(
    _ data: DataInCoordinates, _ process: PreparedProcess, seed: UInt64, repeats: Int, by score: any Score
  ) throws -> Beginning? {
    guard let start else { return nil }
    return try start.beginning(
      data.encodedStates(start.rows(of: data)), process, seed: seed,
      period: repeats > 1 ? Self.stride(of: count, score) : nil)
  }
}
