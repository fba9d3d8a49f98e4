// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Experiments
import Testing

@Suite("Pictures") struct PictureTests {
  /// 255 (x + 1)/2, to the nearest level, and no further than black and white.
  @Test("values from −1 to 1 are levels from 0 to 255") func levels() {
    let values = [-1, -0.99, -0.5, 0.25, 0.5, 1, 7, -7]
    let batch = Batch(values: values, dimension: 8)
    let picture = Picture.grid(batch, shape: ImageShape(height: 1, width: 8, channels: 1))
    // One image, enlarged, within a border of 2 pixels.
    let zoom = (picture.width - 4) / 8
    let found = (0..<8).map { picture.pixels[3 * (2 * picture.width + 2 + $0 * zoom)] }
    #expect(found == [0, 1, 64, 159, 191, 255, 255, 0])
  }
}
