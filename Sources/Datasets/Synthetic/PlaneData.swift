// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Glibc
import Scores

/// Well-known shapes in the plane, drawn from uniforms u, v and normals z.
public struct PlaneData: DataSource {
  /// Which shape points are drawn from.
  public enum Shape: String, Sendable, CaseIterable {
    /// Two half circles of radius 1, (cos a, sin a) and (1 − cos a, ½ − sin a) with a = π u.
    case twoMoons = "two-moons"
    /// The spiral 2a/(9π/2) (cos a, sin a) with a = 3π/2 (1 + 2u), of radius 2/3 to 2.
    case swissRoll = "swiss-roll"
    /// The even squares of a 4 × 4 board on [−2, 2]², filled evenly.
    case checkerboard
  }

  /// The shape that points are drawn from.
  public let shape: Shape
  /// The deviation of the normal noise added to every point.
  public let noise: Double
  /// How many rows are drawn to train on.
  public let count: Int
  /// How many rows are drawn to judge by.
  public let heldOutCount: Int

  /// - Parameters:
  ///   - shape: which shape points are drawn from.
  ///   - noise: the deviation of the normal noise added to every point, 0 or more.
  ///   - count: how many rows are drawn to train on, at least 1.
  ///   - heldOut: how many rows are drawn to judge by, at least 1.
  public init(_ shape: Shape, noise: Double, count: Int = 10_000, heldOut: Int = 5_000) {
    precondition(noise >= 0 && count > 0 && heldOut > 0)
    self.shape = shape
    self.noise = noise
    self.count = count
    heldOutCount = heldOut
  }

  public var dimension: Int { 2 }

  /// The squares of a board without noise.
  public var boxes: BoxMixture? { shape == .checkerboard && noise == 0 ? Self.squares : nil }

  private static let squares: BoxMixture? = {
    let squares = (0..<4).flatMap { column in
      [column % 2, column % 2 + 2].map { row in (low: [Double(column - 2), Double(row - 2)], column) }
    }
    return try? BoxMixture(squares.map { try UniformBox(low: $0.low, high: $0.low.map { $0 + 1 }) })
  }()

  public func fewer(rows: Int) -> any DataSource {
    PlaneData(shape, noise: noise, count: min(count, rows), heldOut: min(heldOutCount, rows))
  }

  public func load(seed: UInt64) throws -> Dataset {
    Dataset(
      training: draw(count, from: NoiseStream(seed: seed, purpose: .data)),
      heldOut: draw(heldOutCount, from: NoiseStream(seed: seed, purpose: .heldOutData)))
  }

  public func furtherRows(_ count: Int, seed: UInt64) -> Batch? {
    draw(count, from: NoiseStream(seed: seed, purpose: .furtherData))
  }

  /// So many points of the shape, with noise; row i depends on the stream and on i alone.
  public func draw(_ count: Int, from stream: NoiseStream) -> Batch {
    let uniforms = stream.uniforms(count: count, dimension: 3, step: 0)
    var batch = stream.normals(count: count, dimension: 2, step: 1)
    for i in 0..<count {
      let (x, y) = point(uniforms[i, 0], uniforms[i, 1], uniforms[i, 2])
      batch[i, 0] = x + noise * batch[i, 0]
      batch[i, 1] = y + noise * batch[i, 1]
    }
    return batch
  }

  private func point(_ u: Double, _ v: Double, _ w: Double) -> (Double, Double) {
    switch shape {
    case .twoMoons:
      let a = Double.pi * u
      return v < 0.5 ? (cos(a), sin(a)) : (1 - cos(a), 0.5 - sin(a))
    case .swissRoll:
      let a = 1.5 * Double.pi * (1 + 2 * u)
      let radius = 2 * a / (4.5 * Double.pi)
      return (radius * cos(a), radius * sin(a))
    case .checkerboard:
      // Column c of the board, then one of the two squares of its colour in it.
      let column = Int(4 * u)
      let square = 2 * Int(2 * v) + column % 2
      return (4 * u - 2, Double(square) + w - 2)
    }
  }
}
