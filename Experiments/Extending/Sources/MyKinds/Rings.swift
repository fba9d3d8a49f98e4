// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import ScoreSDE

/// A data set: points on circles about the origin, with normal noise. The class of a point is its circle.
struct Rings: DataSource {
  let radii: [Double]
  let noise: Double
  var dimension: Int { 2 }
  var conditionShape: ConditionShape { .classes(radii.count) }

  func load(seed: UInt64) throws -> Dataset {
    let training = draw(10_000, NoiseStream(seed: seed, purpose: .data))
    let heldOut = draw(5_000, NoiseStream(seed: seed, purpose: .heldOutData))
    return Dataset(
      training: training.points, heldOut: heldOut.points, trainingConditions: .labels(training.rings),
      heldOutConditions: .labels(heldOut.rings))
  }

  private func draw(_ count: Int, _ stream: NoiseStream) -> (points: Batch, rings: [Int]) {
    let uniforms = stream.uniforms(count: count, dimension: 2, step: 0)
    var points = stream.normals(count: count, dimension: 2, step: 1)
    let rings = (0..<count).map { Int(uniforms[$0, 1] * Double(radii.count)) }
    for i in 0..<count {
      let (angle, radius) = (2 * Double.pi * uniforms[i, 0], radii[rings[i]])
      points[i, 0] = radius * cos(angle) + noise * points[i, 0]
      points[i, 1] = radius * sin(angle) + noise * points[i, 1]
    }
    return (points, rings)
  }
}

extension Kind<any DataSource> {
  static let rings = Kind("rings", "circles about the origin, each a class") { options, _ in
    Rings(
      radii: try options.numbers("radii", example: [1, 2], "of the circles, each as likely"),
      noise: try options.number("noise", default: 0.05, in: .nonNegative, "deviation of the noise on every point"))
  }
}
