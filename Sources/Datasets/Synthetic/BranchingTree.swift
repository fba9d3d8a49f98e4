// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Glibc
import Scores

/// The law of the toy with which autoguidance was introduced (Karras et al. 2024, figure 1): two trees in the plane,
/// one of each class, whose branches are rows of narrow normal laws. A network blurs the finest branches, and guidance
/// is to bring samples back to them without losing any.
///
/// A branch of depth k ≤ 6 has length ℓ = 0.292 · 0.8ᵏ (1 + n/5) along its angle, and deviations in proportion to ℓ;
/// its two children turn off by ± 0.7ᵏ (1 + n/5), n standard normal. Eight components of weight ℓ 2⁻ᵏ stand on it. The
/// normals are those of NumPy's `RandomState(2)`, so that the law is the one that was published.
enum BranchingTree {
  private static let depth = 7
  private static let scale = (1.3136, 1.3844)

  /// The mixture, and the class of each component.
  static func law() throws -> (mixture: GaussianMixture, classes: [Int]) {
    var builder = Builder()
    let origin = (0.0030, 0.0325)
    builder.grow(0, 0, from: origin, angle: 0.25 * .pi)
    builder.grow(1, 0, from: origin, angle: 1.25 * .pi)
    return (
      try GaussianMixture(weights: builder.weights, means: builder.means, covariances: builder.covariances),
      builder.classes
    )
  }

  private struct Builder {
    var normals = NumPyNormals(seed: 2)
    var weights: [Double] = []
    var means: [[Double]] = []
    var covariances: [[[Double]]] = []
    var classes: [Int] = []

    mutating func grow(_ label: Int, _ level: Int, from start: (Double, Double), angle: Double) {
      guard level < BranchingTree.depth else { return }
      let (x, y) = (cos(angle), sin(angle))
      let shrink = pow(0.8, Double(level))
      let length = 0.292 * shrink * (0.2 * normals.next() + 1)
      let thickness = 0.2 * shrink / length
      let (a, b) = (0.06 * length * scale.0, 0.06 * length * scale.1)
      // Along the branch 1, across it the square of the thickness.
      let across = thickness * thickness
      let (xx, xy, yy) = (x * x + across * y * y, (1 - across) * x * y, y * y + across * x * x)
      for k in 0..<8 {
        let way = length * (0.07 + 0.86 * Double(k) / 7)
        weights.append(length * pow(0.5, Double(level)))
        means.append([scale.0 * (start.0 + way * x), scale.1 * (start.1 + way * y)])
        covariances.append([[a * a * xx, a * b * xy], [a * b * xy, b * b * yy]])
        classes.append(label)
      }
      for sign in [1.0, -1] {
        let turn = sign * pow(0.7, Double(level)) * (0.2 * normals.next() + 1)
        grow(label, level + 1, from: (start.0 + length * x, start.1 + length * y), angle: angle + turn)
      }
    }
  }
}

extension MixtureData {
  /// Draws from the two trees of `BranchingTree`, of which each is a class.
  public static func tree(count: Int = 10_000, heldOut: Int = 5_000) throws -> MixtureData {
    let (mixture, classes) = try BranchingTree.law()
    return MixtureData(mixture, classes: classes, count: count, heldOut: heldOut)
  }
}
