// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import ScoreSDE

/// A data set: points on circles about the origin, with normal noise.
struct Rings: DataSource {
  let radii: [Double]
  let noise: Double
  var dimension: Int { 2 }

  func load(seed: UInt64) throws -> Dataset {
    Dataset(
      training: draw(10_000, NoiseStream(seed: seed, purpose: .data)),
      heldOut: draw(5_000, NoiseStream(seed: seed, purpose: .heldOutData)))
  }

  private func draw(_ count: Int, _ stream: NoiseStream) -> Batch {
    let uniforms = stream.uniforms(count: count, dimension: 2, step: 0)
    var points = stream.normals(count: count, dimension: 2, step: 1)
    for i in 0..<count {
      let (angle, radius) = (2 * Double.pi * uniforms[i, 0], radii[Int(uniforms[i, 1] * Double(radii.count))])
      points[i, 0] = radius * cos(angle) + noise * points[i, 0]
      points[i, 1] = radius * sin(angle) + noise * points[i, 1]
    }
    return points
  }
}
