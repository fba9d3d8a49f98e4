// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Glibc
import Models

/// y: the latents of pictures, of about unit variance. What is kept of a picture is the mean of its latents, and where
/// latents are drawn their log variance too.
///
/// Pictures come back as the decoder gives them. The map has no determinant, as latents do not tell all of a picture.
struct AutoencoderCoordinates: KeptCoordinates {
  /// Which latents a picture has.
  enum Latents: String, Sendable, CaseIterable {
    /// The mean of their law.
    case mean
    /// A draw of their law, new for every row of every training step.
    case draw
  }

  /// When the pictures of a training are encoded.
  enum Encoding: String, Sendable, CaseIterable {
    /// All training rows, before the first step.
    case once
    /// The pictures of every step, with crops, flips or scenes of their own.
    case anew
  }

  let autoencoder: Autoencoder
  let latents: Latents
  let encoding: Encoding

  var keepsTraining: Bool { encoding == .once }
  func dimension(of dimension: Int) -> Int { autoencoder.architecture.latentDimension }
  func keptDimension(of dimension: Int) -> Int {
    autoencoder.architecture.latentDimension * (latents == .mean ? 1 : 2)
  }
  var keptRows: Int { autoencoder.network.shardRows.upperBound }

  func keep(_ x: Rows, into kept: Rows) throws {
    let width = autoencoder.architecture.latentDimension
    try RowStorage.with(x.span.with(dimension: width), count: 2) { rows in
      let (mean, logVariance) = (rows[0], rows[1])
      autoencoder.encode(x, mean: mean, logVariance: logVariance)
      for row in 0..<x.count {
        guard (0..<width).allSatisfy({ mean[row, $0].isFinite && logVariance[row, $0].isFinite }) else {
          throw InputError("autoencoder: row \(x.first + row + 1) has latents that are not finite")
        }
      }
      kept.copy(columns: 0..<width, of: mean)
      if latents == .draw { kept.copy(columns: 0..<width, of: logVariance, to: width) }
    }
  }

  func encode(kept: Rows, into y: Rows, from stream: NoiseStream?, step: Int) {
    y.copy(columns: 0..<y.dimension, of: kept)
    guard latents == .draw, let stream else { return }
    // Other numbers than those of a map before this one that draws from the same stream.
    let own = NoiseStream(seed: stream.seed, purpose: Purpose(rawValue: stream.purpose.rawValue | Self.latentPurpose))
    RowStorage.with(y.span, count: 1) { rows in
      own.normals(into: rows[0], step: step)
      for row in 0..<y.count {
        for j in 0..<y.dimension { y[row, j] += exp(0.5 * kept[row, y.dimension + j]) * rows[0][row, j] }
      }
    }
  }

  private static let latentPurpose: UInt8 = 0x80

  /// Rows that are many are shared by all processors; what comes out does not depend on how many there are.
  func decode(_ y: Rows, into x: Rows) {
    guard y.count > autoencoder.network.shardRows.upperBound else { return autoencoder.decode(y, into: x) }
    let latents = Batch(values: (0..<y.size).map { y.values[$0] }, dimension: y.dimension)
    guard let images = try? autoencoder.decode(latents) else {
      // Somebody asked for the end.
      return x.fill(.nan)
    }
    for i in 0..<x.size { x.values[i] = images.values[i] }
  }

  func addLogDeterminant(_ y: Rows, to out: UnsafeMutablePointer<Double>) -> Bool { false }
}

/// An autoencoder as coordinates: what `{kind: autoencoder, path: …}` of a config decodes to.
struct AutoencoderCoordinatesRecipe: CoordinatesRecipe {
  let autoencoder: Autoencoder
  let latents: AutoencoderCoordinates.Latents
  let encoding: AutoencoderCoordinates.Encoding
  let fingerprint: String

  init(
    _ autoencoder: Autoencoder, latents: AutoencoderCoordinates.Latents, encoding: AutoencoderCoordinates.Encoding
  ) {
    (self.autoencoder, self.latents, self.encoding) = (autoencoder, latents, encoding)
    fingerprint = autoencoder.fingerprint
  }

  var isFitted: Bool { false }
  var hasDeterminant: Bool { false }

  /// Every position of latents stands for a square of pixels.
  func dimension(of dimension: Int) -> Int {
    let a = autoencoder.architecture
    return dimension / (a.factor * a.factor * a.channels) * a.latentChannels
  }

  func image(of shape: ImageShape) -> ImageShape? {
    let a = autoencoder.architecture.sized(height: shape.height, width: shape.width)
    return ImageShape(height: a.latentHeight, width: a.latentWidth, channels: a.latentChannels)
  }

  func check(_ data: any DataSource) throws { _ = try sized(for: data) }

  private func sized(for data: any DataSource) throws -> Autoencoder {
    guard let image = data.imageShape else {
      throw InputError("autoencoder: is for pictures; the data has rows of \(data.dimension) values")
    }
    guard image.channels == autoencoder.architecture.channels else {
      throw InputError(
        "autoencoder: is for pictures of \(autoencoder.architecture.channels) channels; the data's have "
          + "\(image.channels)")
    }
    do {
      return try autoencoder.sized(height: image.height, width: image.width)
    } catch let error as InputError {
      throw InputError("autoencoder: \(error.message)")
    }
  }

  func fit(_ rows: any DataRows, of data: any DataSource) throws -> any Coordinates {
    AutoencoderCoordinates(autoencoder: try sized(for: data), latents: latents, encoding: encoding)
  }

  func restore(_ fitted: [Double], of data: any DataSource) throws -> any Coordinates {
    guard fitted.isEmpty else { throw InputError("autoencoder: \(fitted.count) numbers of a map that has none") }
    return AutoencoderCoordinates(autoencoder: try sized(for: data), latents: latents, encoding: encoding)
  }
}
