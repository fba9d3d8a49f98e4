// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Plots

/// Images that were seen in part, beside samples of the whole. A row of pictures is an observation.
package struct PosteriorImages {
  /// How many observations and samples of each are drawn.
  static let (mostObservations, mostSamples, mostFrames) = (8, 6, 12)

  let shape: ImageShape
  /// How many observations there are.
  private let count: Int
  /// How many samples lead from an image to the next, which stands behind them; nil: samples are of one image.
  private let frames: Int?
  private let end: [(name: String, images: Batch, columns: Int)]
  /// What stands before the samples: a column each, of an image an observation.
  private let start: [(name: String, images: Batch, columns: Int)]
  /// What a row of pictures is.
  private let name: String

  private var shown: Int { min(count, Self.mostObservations) }

  /// Images that were seen in part, with the truth where it is known.
  package init(observed: Observed, plan: ObservationPlan, shape: ImageShape) {
    (self.shape, count, name, frames, end) = (shape, observed.values.count, "observation", nil, [])
    var parts: [(name: String, images: Batch, columns: Int)] = []
    let shown = min(count, Self.mostObservations)
    let (low, high) = (plan.range.lowerBound, plan.range.upperBound)
    if let seen = plan.shape.pictures(of: observed.values.prefix(shown), low: low, high: high),
      let image = plan.shape.image
    {
      parts.append(("observed", Self.fitted(seen, image, to: shape), 1))
    }
    if let truth = observed.truth { parts.append(("truth", truth.prefix(shown), 1)) }
    start = parts
  }

  /// Images that were edited, or, with a number of frames, ways from each image to the next.
  package init(edited rows: Batch, frames: Int? = nil, shape: ImageShape) {
    (self.shape, self.frames) = (shape, frames)
    if frames == nil {
      (count, name, end) = (rows.count, "image", [])
      start = [("before", rows.prefix(Self.mostObservations), 1)]
    } else {
      let pairs = max(0, rows.count - 1)
      (count, name) = (pairs, "pair")
      start = [("from", rows.prefix(min(pairs, Self.mostObservations)), 1)]
      end = [("to", rows.rows(min(1, pairs)..<min(pairs, Self.mostObservations) + min(1, pairs)), 1)]
    }
  }

  /// The samples that are shown beside an image.
  private func shown(_ samples: Batch, beside k: Int) -> Batch {
    guard let frames else { return samples.rows(of: k, among: count).prefix(Self.mostSamples) }
    // A long way shows some of its frames, both ends among them.
    let most = min(frames, Self.mostFrames)
    return Batch(rows: (0..<most).map { samples.row(k * frames + $0 * (frames - 1) / max(1, most - 1)) })
  }

  /// What was seen, the truth where it is known, and samples.
  package func figure(_ samples: Batch, solver: String) -> Figure {
    let each = (0..<shown).map { shown(samples, beside: $0) }
    let columns = max(1, each.map(\.count).max() ?? 1)
    // Observations may have different numbers of samples; what is missing is gray.
    var grid = Batch(count: shown * columns, dimension: shape.count)
    for (k, rows) in each.enumerated() {
      for i in 0..<rows.count { for (j, value) in rows.row(i).enumerated() { grid[k * columns + i, j] = value } }
    }
    var parts = start
    let name = frames == nil ? "sample" : "frame"
    parts.append((columns == 1 ? "a \(name)" : "\(columns) \(name)s", grid, columns))
    return figure(parts + end, title: "\(solver): \(rowsText)")
  }

  /// The mean of the samples of an observation, and the standard deviation of each pixel.
  /// - Returns: nil where no observation has two samples.
  package func spread(_ samples: Batch, solver: String) -> Figure? {
    var (means, deviations) = (Batch(count: shown, dimension: shape.count), Batch(count: shown, dimension: shape.count))
    var fewest = Int.max
    for k in 0..<shown {
      let rows = samples.rows(of: k, among: count)
      guard rows.count > 1 else { return nil }
      fewest = min(fewest, rows.count)
      for j in 0..<shape.count {
        let column = (0..<rows.count).map { rows[$0, j] }
        let mean = column.reduce(0, +) / Double(rows.count)
        means[k, j] = mean
        deviations[k, j] =
          (column.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(rows.count - 1)).squareRoot()
      }
    }
    let largest = deviations.values.filter(\.isFinite).max() ?? 0
    for i in deviations.values.indices {
      deviations.values[i] = largest > 0 ? 2 * deviations.values[i] / largest - 1 : -1
    }
    let name = "deviation, white: \(ConciseNumber.text(largest))"
    return figure(
      start + [("mean", means, 1), (name, deviations, 1)], title: "\(solver): spread of \(fewest) samples")
  }

  private var rowsText: String {
    count == 1
      ? (frames == nil ? "an \(name)" : "a \(name)")
      : shown < count ? "\(shown) of \(count) \(name)s" : "\(count) \(name)s"
  }

  private func figure(_ parts: [(name: String, images: Batch, columns: Int)], title: String) -> Figure {
    let zoom = zoom(parts)
    let pictures = parts.map {
      Picture.grid($0.images, shape: shape, columns: $0.columns, isCompact: true, zoom: zoom)
    }
    let row = Picture.row(pictures)
    let size = 6.3 / Double(max(row.width, row.height))
    return Figure(
      title: title, panels: [[Axes(picture: row.raster, title: parts.map(\.name).joined(separator: " | "))]],
      width: max(3.4, size * Double(row.width) + 0.3), height: size * Double(row.height) + 0.8)
  }

  /// One size of pixels for all parts, so that the whole is some 800 pixels wide.
  private func zoom(_ parts: [(name: String, images: Batch, columns: Int)]) -> Int {
    let (columns, rows) = (parts.reduce(0) { $0 + $1.columns }, shown)
    return max(1, 800 / max(columns * (shape.width + 1), rows * (shape.height + 1)))
  }

  /// Images of another size enlarged or reduced to a shape, in its middle, without new values in between.
  static func fitted(_ images: Batch, _ from: ImageShape, to shape: ImageShape) -> Batch {
    if from == shape { return images }
    let scale = min(Double(shape.height) / Double(from.height), Double(shape.width) / Double(from.width))
    let (height, width) = (
      max(1, Int((Double(from.height) * scale).rounded())), max(1, Int((Double(from.width) * scale).rounded()))
    )
    let (top, left) = ((shape.height - height) / 2, (shape.width - width) / 2)
    var fitted = Batch(count: images.count, dimension: shape.count)
    for row in 0..<images.count {
      for y in 0..<height {
        for x in 0..<width {
          let (v, u) = (y * from.height / height, x * from.width / width)
          for c in 0..<shape.channels {
            let channel = min(c, from.channels - 1)
            fitted[row, ((top + y) * shape.width + left + x) * shape.channels + c] =
              images[row, (v * from.width + u) * from.channels + channel]
          }
        }
      }
    }
    return fitted
  }
}
