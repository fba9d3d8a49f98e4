// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Foundation

extension Trajectories {
  /// Moments for pictures, scaled down to the data's root mean square where theirs is larger, as early states are noise
  /// of any size.
  private func frame(at share: Double, like data: Batch) -> Batch {
    func size(_ batch: Batch) -> Double {
      (batch.values.reduce(0) { $0 + $1 * $1 } / Double(max(1, batch.values.count))).squareRoot()
    }
    var batch = state(at: share)
    let factor = size(data) / size(batch)
    if factor < 1 { for i in batch.values.indices { batch.values[i] *= factor } }
    return batch
  }

  private func shares(_ count: Int) -> [Double] {
    let count = min(count, length)
    return count < 2 ? [1] : (0..<count).map { Double($0) / Double(count - 1) }
  }

  /// A film strip from start to end, as PNG: of images up to 8 rows at 12 moments, else all rows at 8.
  /// - Parameters:
  ///   - shape: of images.
  ///   - data: rows to compare with.
  ///   - names: those of the columns of points.
  ///   - solver: for the title of points.
  func strip(shape: ImageShape?, data: Batch, names: [String], solver: String) throws -> Data {
    guard let shape else { return try moments(shares(8), data: data, names: names, solver: solver).png() }
    let shares = shares(12)
    let frames = shares.map { frame(at: $0, like: data) }
    let images = (0..<min(8, rows.count)).flatMap { row in frames.flatMap { Array($0.row(row)) } }
    return try Picture.grid(Batch(values: images, dimension: dimension), shape: shape, columns: shares.count).png()
  }

  /// An animated PNG of up to 60 frames; the last one stays for a while.
  func animation(shape: ImageShape?, data: Batch) throws -> Data {
    let frames = shares(60).map { share in
      let batch = frame(at: share, like: data)
      return shape.map { Picture.grid(batch, shape: $0) } ?? Picture.scatter(batch, heldOut: data, size: 360)
    }
    return try AnimatedPicture.png(frames)
  }
}
