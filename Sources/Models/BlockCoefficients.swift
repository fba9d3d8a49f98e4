// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Processes

/// How score and network belong together where a kernel has matrices, x_t = Φ E x_0 + L z with C = L Lᵀ. The network
/// sees the whole state, each block scaled to about unit variance, and predicts the noise z of the blocks that noise
/// acts on:
///
///     s_tail = −L_tt⁻ᵀ ẑ_tail,   ẑ_tail = F(S x, noise level),
///
/// with L lower triangular and tt its last blocks (for a velocity this is the hybrid score matching of Dockhorn et al.
/// 2022). With `edm` prediction ẑ_tail = K x + R F, where K x is the best guess for data N(0, σ_d² I) and R Rᵀ the
/// covariance of what it misses: K = L_{·t}ᵀ Q⁻¹ with Q = σ_d² Φ E (Φ E)ᵀ + C, R Rᵀ = I − K L_{·t}. The network's
/// target then has unit variance at every noise level, as EDM's preconditioning gives for scalars.
public struct BlockCoefficients: Sendable {
  /// S: a factor for each block.
  public let input: [Double]
  /// Φ E and L
  public let map, root: Matrix
  /// K, where the prediction has one, and R.
  public let guess: Matrix?
  /// R
  public let residual: Matrix
  /// s_tail = skip x + output F
  public let skip: Matrix?
  /// What the network's output is multiplied by.
  public let output: Matrix

  /// Not finite where there is no noise.
  /// - Parameters:
  ///   - noise: the blocks that noise acts on, the last ones.
  ///   - prediction: `noise` or `edm`.
  ///   - dataDeviation: σ_d
  init(_ moments: BlockMoments, noise: Range<Int>, _ prediction: Prediction, dataDeviation: Double) {
    let n = moments.propagator.rows
    map = moments.signal
    root = moments.covariance.lowerCholesky ?? .nan(n)
    let total = (dataDeviation * dataDeviation) * (map * map.transpose) + moments.covariance
    input = (0..<n).map { 1 / total[$0, $0].squareRoot() }
    let turn = -1 * root.block(noise).lowerInverse.transpose
    guard prediction == .edm else {
      (guess, skip, residual, output) = (nil, nil, .identity(noise.count), turn)
      return
    }
    let columns = root.columns(noise)
    let guess = columns.transpose * total.definiteInverse
    // Where hardly any data is left, what is missed is lost in rounding: no less than 1e-6.
    let missed = Matrix.identity(noise.count) - guess * columns + 1e-12 * Matrix.identity(noise.count)
    residual = missed.lowerCholesky ?? 1e-6 * Matrix.identity(noise.count)
    self.guess = guess
    skip = turn * guess
    output = turn * residual
  }
}
