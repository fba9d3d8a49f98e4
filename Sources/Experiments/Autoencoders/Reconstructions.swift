// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Foundation
import Models
import Networks
import Plots

/// Held-out pictures beside what an autoencoder makes of them.
struct Reconstructions {
  private let shape: ImageShape
  private let originals, pictures: Batch
  private let total: Int

  /// The file of a results folder, without its ending.
  static let name = "reconstructions"

  /// - Parameters:
  ///   - network: the encoder and the decoder.
  ///   - parameters: a flat buffer of the network's layout.
  ///   - dataset: whose held-out rows are shown; training rows where none are held out.
  ///   - count: how many pictures at most.
  ///   - threads: the result does not depend on it.
  init(
    _ network: any Network, _ parameters: [Float], _ dataset: Dataset, count: Int = 50, threads: Int
  ) throws {
    guard let network = network as? AutoencoderNetwork else { preconditionFailure("no autoencoder") }
    let a = network.architecture
    shape = ImageShape(height: a.height, width: a.width, channels: a.channels)
    let rows = dataset.heldOutRows.count > 0 ? dataset.heldOutRows : dataset.trainingRows
    // As many pictures as a hundred thousand pixels hold, so that the file stays small.
    originals = rows.prefix(min(count, max(1, 100_000 / (a.height * a.width))))
    total = rows.count
    pictures = try Autoencoder(network, parameters: parameters, scaling: 1).reconstructed(originals, threads: threads)
  }

  /// Two grids side by side.
  func figure(title: String) -> Figure {
    let decibels = (0..<originals.count).map { PeakSignalToNoise.decibels(originals.row($0), pictures.row($0)) }
    let mean = decibels.reduce(0, +) / Double(max(1, decibels.count))
    func panel(_ rows: Batch, _ title: String) -> Axes {
      Axes(picture: Picture.grid(rows, shape: shape, isCompact: true).raster, title: title)
    }
    return Figure(
      title: title,
      panels: [
        [
          panel(originals, "held-out data: \(originals.count) of \(total)"),
          panel(pictures, String(format: "reconstructions, %.1f dB", mean)),
        ]
      ], width: 6.3, height: 3.6)
  }
}
