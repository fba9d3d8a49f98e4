// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Glibc

/// Where the way back begins: a law close to that of x_T, which can be drawn from.
public protocol Prior: Sendable {
  /// Fills rows with draws.
  func draw(into x: Rows, from stream: NoiseStream)

  /// The log density at each row; `out` has `x.count` values.
  func logDensity(_ x: Rows, into out: UnsafeMutablePointer<Double>)
}

/// N(0, C ⊗ I): C acts on states that are cut into as many equal blocks as it has rows.
public struct NormalPrior: Prior {
  private let root, inverse: Matrix?

  /// - Parameter covariance: C; where it is not positive definite, densities are NaN and draws 0.
  public init(covariance: Matrix) {
    root = covariance.lowerCholesky
    inverse = root?.lowerInverse
  }

  /// N(0, v I)
  public init(variance: Double) { self.init(covariance: Matrix([[variance]])) }

  public func draw(into x: Rows, from stream: NoiseStream) {
    RowStorage.with(x.span, count: 1) { z in
      stream.normals(into: z[0], step: 0)
      x.fill(0)
      if let root { x.add(root, z[0], times: 1) }
    }
  }

  public func logDensity(_ x: Rows, into out: UnsafeMutablePointer<Double>) {
    guard let root, let inverse else { return out.update(repeating: .nan, count: x.count) }
    let width = Double(x.dimension / root.rows)
    let logDeterminant = 2 * width * (0..<root.rows).reduce(0) { $0 + log(root[$1, $1]) }
    RowStorage.with(x.span, count: 1) { white in
      white[0].add(inverse, x, times: 1)
      for row in 0..<x.count {
        let square = (0..<x.dimension).reduce(0) { $0 + white[0][row, $1] * white[0][row, $1] }
        out[row] = -0.5 * (Double(x.dimension) * log(2 * .pi) + logDeterminant + square)
      }
    }
  }
}

/// The law of eʸ, coordinate by coordinate, for y of another law.
public struct ExponentialPrior: Prior {
  private let base: any Prior
  /// The law of eʸ for y of the law `base`.
  public init(of base: any Prior) { self.base = base }

  public func draw(into x: Rows, from stream: NoiseStream) {
    base.draw(into: x, from: stream)
    for i in 0..<x.size { x.values[i] = exp(x.values[i]) }
  }

  public func logDensity(_ x: Rows, into out: UnsafeMutablePointer<Double>) {
    RowStorage.with(x.span, count: 1) { y in
      for i in 0..<x.size { y[0].values[i] = log(x.values[i]) }
      base.logDensity(y[0], into: out)
      for row in 0..<x.count {
        for j in 0..<x.dimension { out[row] -= y[0][row, j] }
      }
    }
  }
}
