// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets

/// PyTorch's noise as latents: draws of the shape rows × channels × height × width, one after the other, as rows of
/// height × width × channel.
struct LatentNoise {
  let shape: ImageShape
  private var random: PyTorchRandom

  /// - Parameters:
  ///   - seed: of `torch.Generator`.
  ///   - shape: that of a latent.
  init(seed: UInt64, shape: ImageShape) { (random, self.shape) = (PyTorchRandom(seed: seed), shape) }

  /// The next `torch.randn(rows, channels, height, width)`.
  mutating func draw(_ rows: Int) -> Batch {
    Self.rows(of: random.normals(rows * shape.count).map(Double.init), shape)
  }

  /// Rows of planes as rows of pixels.
  /// - Parameters:
  ///   - planes: rows × channels × height × width.
  ///   - shape: of a row.
  static func rows(of planes: [Double], _ shape: ImageShape) -> Batch {
    let (pixels, channels) = (shape.height * shape.width, shape.channels)
    var batch = Batch(count: planes.count / shape.count, dimension: shape.count)
    for row in 0..<batch.count {
      for channel in 0..<channels {
        let plane = (row * channels + channel) * pixels
        for pixel in 0..<pixels {
          batch.values[row * shape.count + pixel * channels + channel] = planes[plane + pixel]
        }
      }
    }
    return batch
  }

  /// The latents of an .npy file.
  /// - Parameters:
  ///   - path: an array of rows × channels × height × width.
  ///   - rows: how many there must be.
  ///   - shape: that of a latent.
  /// - Throws: `InputError` for another shape, and for what is not finite.
  static func read(_ path: String, rows: Int, shape: ImageShape) throws -> Batch {
    let array = try NumberArray(path)
    let wanted = [rows, shape.channels, shape.height, shape.width]
    guard array.shape == wanted else {
      func text(_ shape: [Int]) -> String { shape.map(String.init).joined(separator: " × ") }
      throw InputError("is \(text(array.shape)) values; allowed: \(text(wanted))", at: path)
    }
    guard array.values.allSatisfy(\.isFinite) else { throw InputError("holds a number that is not finite", at: path) }
    return Self.rows(of: array.values, shape)
  }
}
