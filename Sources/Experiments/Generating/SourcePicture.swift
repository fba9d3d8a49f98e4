// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Solvers

/// The picture that an image to image begins with, and the mask of what is painted anew.
struct SourcePicture {
  /// Values in [−1, 1], height × width × 3.
  let image: Batch
  let height, width: Int
  /// What was done with the files besides reading them, a line each.
  private(set) var notes: [String]
  /// 1 where the picture is painted anew, else 0, height × width; nil without a mask.
  let mask: [Double]?

  /// - Parameters:
  ///   - image: a PNG file.
  ///   - mask: a PNG file of the same size, painted anew where it is at least half white.
  ///   - size: what the picture must be; nil: its own.
  ///   - factor: its sides must be multiples of.
  /// - Throws: `InputError` at the file for another size.
  init(image: String, mask: String?, size: (height: Int, width: Int)?, factor: Int) throws {
    let file = try ImageFile(image)
    (height, width, notes) = (file.height, file.width, file.notes)
    if let size, size != (height, width) {
      throw InputError("is \(width) × \(height) pixels; --size is \(size.width) × \(size.height)", at: image)
    }
    guard height % factor == 0, width % factor == 0 else {
      throw InputError("is \(width) × \(height) pixels; allowed: multiples of \(factor)", at: image)
    }
    let shape = ImageShape(height: height, width: width, channels: 3)
    self.image = Batch(values: try file.row(of: shape), dimension: shape.count)
    guard let mask else {
      self.mask = nil
      return
    }
    let own = try ImageFile(mask)
    guard (own.height, own.width) == (height, width) else {
      throw InputError("is \(own.width) × \(own.height) pixels; allowed: \(width) × \(height), as the image", at: mask)
    }
    notes += own.notes
    let pixels = try own.row(of: shape).map { Int((($0 + 1) * 127.5).rounded()) }
    self.mask = (0..<height * width).map { i in
      // The gray of Pillow, ITU-R 601-2 in whole numbers; 127.5 of 255 is half.
      let gray = (19595 * pixels[3 * i] + 38470 * pixels[3 * i + 1] + 7471 * pixels[3 * i + 2] + 0x8000) >> 16
      return gray >= 128 ? 1 : 0
    }
  }

  /// The picture with gray, 0, where it is painted anew.
  var kept: Batch {
    guard let mask else { return image }
    var kept = image
    for i in mask.indices where mask[i] > 0 {
      for channel in 0..<3 { kept.values[3 * i + channel] = 0 }
    }
    return kept
  }

  /// The mask in the latents' size, each place that of the nearest pixel above and to the left.
  func mask(of latents: ImageShape) -> [Double]? {
    mask.map { mask in
      (0..<latents.height * latents.width).map { i in
        let (y, x) = (i / latents.width * height / latents.height, i % latents.width * width / latents.width)
        return mask[y * width + x]
      }
    }
  }
}

/// Inpainting with a network that knows nothing of it: after every step the latents outside the mask are those of the
/// picture with the noise that they have there.
struct MaskConstraint: StepConstraint {
  /// Latents of the picture, and noise; both for all rows.
  let latents, noise: Batch
  /// 1 where the picture is painted anew, height × width.
  let mask: [Double]

  func apply(to x: Rows, noiseToSignal: Double?) {
    let channels = x.dimension / mask.count
    let level = noiseToSignal ?? 0
    let scale = 1 / (1 + level * level).squareRoot()
    for i in 0..<x.count {
      let start = (x.first + i) * x.dimension
      for j in 0..<x.dimension where mask[j / channels] == 0 {
        x[i, j] = scale * (latents.values[start + j] + level * noise.values[start + j])
      }
    }
  }
}
