// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Processes
import Scores

/// Data, and what a model sees of them: the same rows in coordinates that were fitted to the training rows.
public struct DataInCoordinates: Sendable {
  /// The rows in the units of the data.
  public let dataset: Dataset
  /// The rows in coordinates.
  public let seen: Dataset
  /// The data in coordinates as a source, with the law that they have there, where it is known.
  public let source: any DataSource
  /// The maps, one after the other; nil: there are none, and `seen` is the data.
  public let coordinates: Chain?
  /// Rows whose coordinates take long to find, training rows first; empty where no map is such.
  private let kept: [KeptRows]
  private let seed: UInt64

  /// Loads data and fits maps to their training rows.
  /// - Parameters:
  ///   - source: where the data come from.
  ///   - recipes: the maps, in the order in which data go through them.
  ///   - fitted: the numbers of each map that were fitted before; nil: the maps are fitted now.
  ///   - seed: keys the data, and what the maps draw.
  /// - Throws: `InputError` for data that have no such coordinates.
  public init(
    _ source: any DataSource, recipes: [any CoordinatesRecipe], fitted: [[Double]]? = nil, seed: UInt64
  ) throws {
    dataset = try source.load(seed: seed)
    self.seed = seed
    guard !recipes.isEmpty else {
      (seen, self.source, coordinates, kept) = (dataset, source, nil, [])
      return
    }
    if let fitted, fitted.count != recipes.count {
      throw InputError("the numbers of \(fitted.count) maps for \(recipes.count)", at: "coordinates")
    }
    guard fitted != nil || source.hasRows || !recipes.contains(where: \.isFitted) else {
      throw InputError("are fitted to rows, and the data has none", at: "coordinates")
    }
    var maps: [any Coordinates] = []
    var rows = RowsInCoordinates(dataset, seed: seed)
    var stage: any DataSource = source
    do {
      for (index, recipe) in recipes.enumerated() {
        let map =
          try fitted.map { try recipe.restore($0[index], of: stage) } ?? recipe.fit(rows.training, of: stage)
        try rows.encode(by: map)
        maps.append(map)
        stage = DataBetweenMaps.after(recipe, stage)
      }
      let chain = Chain(maps, dimension: source.dimension)
      coordinates = chain
      kept = rows.kept
      seen = try rows.dataset()
      self.source = FittedData(
        dimension: chain.dimension(of: source.dimension), imageShape: stage.imageShape,
        conditionShape: source.conditionShape, occurringClasses: source.occurringClasses,
        fingerprint: source.fingerprint, law: source.law.flatMap { chain.law(of: $0) }, texts: source.texts,
        seen: seen)
    } catch let error as InputError where error.location.isEmpty {
      throw InputError(error.message, at: "coordinates")
    }
  }

  /// How many rows `prepare` computes.
  public var rowsToPrepare: Int { kept.reduce(0) { $0 + $1.count } }

  /// Computes the coordinates of all rows where these take long to find; else they are found one after the other, when
  /// they are asked for.
  /// - Parameters:
  ///   - threads: how many workers share the rows; what is computed does not depend on it.
  ///   - progress: is told how many rows are done, from any thread.
  public func prepare(threads: Int, progress: @Sendable (_ rows: Int) -> Void = { _ in }) throws {
    for rows in kept { try rows.prepare(threads: threads, progress: progress) }
  }

  /// The law of the data in coordinates, where it is known.
  public var law: DataLaw? { source.law }

  /// The fitted numbers of each map.
  public var fitted: [[Double]]? { coordinates.map { $0.maps.map(\.fitted) } }

  /// Data in coordinates, with the draws of a map that draws.
  /// - Throws: `InputError` for a row that has no coordinates.
  public func encoded(_ points: Batch) throws -> Batch {
    guard let coordinates else { return points }
    return try coordinates.encoded(points, from: NoiseStream(seed: seed, purpose: .dequantisation), step: 0)
  }

  /// States of a process in coordinates, without draws. What a state has beside the data, as velocities, stays.
  /// - Throws: `InputError` for a row that has no coordinates.
  public func encodedStates(_ states: Batch) throws -> Batch {
    guard let coordinates else { return states }
    return try transformed(states, width: dataset.trainingRows.dimension) {
      try coordinates.encoded($0, from: nil, step: 0)
    }
  }

  /// States of a process that are given in coordinates, in the units of the data.
  public func decodedStates(_ states: Batch) -> Batch {
    if coordinates == nil { return states }
    return transformed(states, width: source.dimension) { decoded($0) }
  }

  /// Changes the first `width` values of every row.
  private func transformed(_ states: Batch, width: Int, _ body: (Batch) throws -> Batch) rethrows -> Batch {
    if states.dimension == width { return try body(states) }
    let parts = try body(Batch(values: (0..<states.count).flatMap { states.row($0).prefix(width) }, dimension: width))
    let rows = (0..<states.count).flatMap { parts.row($0) + states.row($0).dropFirst(width) }
    return Batch(values: rows, dimension: parts.dimension + states.dimension - width)
  }

  /// What has these coordinates, in the units of the data.
  public func decoded(_ coordinates: Batch) -> Batch {
    self.coordinates?.decoded(coordinates, dimension: dataset.trainingRows.dimension) ?? coordinates
  }

  /// ln |det ∂y/∂x| of rows that are given in coordinates; zeros where there are no maps.
  /// - Throws: `InputError` where it is not known.
  public func logDeterminants(_ rows: Batch) throws -> [Double] {
    var sums = [Double](repeating: 0, count: rows.count)
    guard let coordinates else { return sums }
    var rows = rows
    let isKnown = sums.withUnsafeMutableBufferPointer { sums in
      rows.withRows { rows in sums.baseAddress.map { coordinates.addLogDeterminant(rows, to: $0) } ?? true }
    }
    guard isKnown else {
      throw InputError("their determinant is not known, and so no density of the data", at: "coordinates")
    }
    return sums
  }
}

extension Coordinates {
  /// The coordinates of a batch.
  /// - Throws: `InputError` for a row that has none.
  public func encoded(_ points: Batch, from stream: NoiseStream?, step: Int) throws -> Batch {
    var (points, batch) = (points, Batch(count: points.count, dimension: dimension(of: points.dimension)))
    try points.withRows { x in try batch.withRows { try encode(x, into: $0, from: stream, step: step) } }
    return batch
  }

  /// The data of a batch of coordinates.
  /// - Parameters:
  ///   - coordinates: rows of y.
  ///   - dimension: how many values a row of data has.
  public func decoded(_ coordinates: Batch, dimension: Int) -> Batch {
    var (coordinates, batch) = (coordinates, Batch(count: coordinates.count, dimension: dimension))
    coordinates.withRows { y in batch.withRows { decode(y, into: $0) } }
    return batch
  }
}
