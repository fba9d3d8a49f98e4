// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// The rows of a dataset on their way through a chain of maps, which are fitted one after the other.
struct RowsInCoordinates {
  private let base: Dataset
  private let seed: UInt64
  /// The training rows as the maps so far have left them.
  private(set) var training: any DataRows
  /// Held-out rows and what training draws from, as the last kept map has left them, and the maps since.
  private var heldOut: any DataRows
  private var source: any TrainingSource
  private var maps: [any Coordinates] = []
  /// The rows that are kept.
  private(set) var kept: [KeptRows] = []

  init(_ dataset: Dataset, seed: UInt64) {
    (base, self.seed) = (dataset, seed)
    (training, heldOut, source) = (dataset.trainingRows, dataset.heldOutRows, dataset.source)
  }

  private var stream: NoiseStream { NoiseStream(seed: seed, purpose: .dequantisation) }

  /// Takes all rows through the next map. Training rows have the draws of step 1, held-out rows those of step 0.
  /// - Throws: `InputError` for a row that has no coordinates.
  mutating func encode(by map: any Coordinates) throws {
    guard let map = map as? any KeptCoordinates else {
      training = try EncodedRows(training, in: map, from: stream, step: 1)
      maps.append(map)
      return
    }
    let own = KeptRows(training, in: map, from: stream, step: 1)
    let judges = KeptRows(try encodedHeldOut(), in: map, from: stream, step: 0)
    let drawn: any TrainingSource =
      map.keepsTraining
      ? KeptSource(rows: own)
      : CoordinateSource(source, in: Chain(maps + [map], dimension: source.dimension))
    (training, heldOut, source, maps) = (own, judges, drawn, [])
    kept += map.keepsTraining ? [own, judges] : [judges]
  }

  private func encodedHeldOut() throws -> any DataRows {
    maps.isEmpty ? heldOut : try EncodedRows(heldOut, in: chain(of: heldOut.dimension), from: stream, step: 0)
  }

  private func chain(of dimension: Int) -> Chain { Chain(maps, dimension: dimension) }

  /// The rows in coordinates.
  func dataset() throws -> Dataset {
    Dataset(
      training: training, heldOut: try encodedHeldOut(), trainingConditions: base.trainingConditions,
      heldOutConditions: base.heldOutConditions,
      source: maps.isEmpty ? source : CoordinateSource(source, in: chain(of: source.dimension)))
  }
}
