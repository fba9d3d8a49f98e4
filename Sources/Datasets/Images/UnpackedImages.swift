// SPDX-License-Identifier: GPL-3.0-or-later
import Synchronization

/// Images of files, which are unpacked once, when they are asked for.
final class UnpackedImages: Sendable {
  private let images = Mutex<ImageSource?>(nil)

  /// The images; the first time, what `unpack` makes.
  func images(or unpack: () throws -> ImageSource) throws -> ImageSource {
    try images.withLock {
      if let images = $0 { return images }
      let images = try unpack()
      $0 = images
      return images
    }
  }
}
