// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// A linear observation in its singular directions: B = U S Vᵀ with noise of unit variance, so that direction i is seen
/// as ȳ_i = (Vᵀ x)_i + z/s_i; or without noise. For one worker.
final class SpectralModel {
  /// How many rows of an operator may hang together: eigenvectors of so many take some seconds.
  static let largestBlock = 1024

  /// With which deviation each direction is seen, 1/s_i; 0 without noise, and where there is no such direction.
  let deviations: [Double]
  /// 1/s_i, 0 where there is no such direction.
  private let inverses: [Double]
  private let model: WhiteLinearModel
  private let spectrum: BlockSpectrum
  private let products: RowStorage

  /// - Throws: `InputError` for a model that is not linear, and for an operator that is too large.
  init(_ observation: Observation, _ span: RowSpan, _ spectrum: BlockSpectrum? = nil) throws {
    let linear = try observation.requireLinear()
    self.spectrum = try spectrum ?? Self.spectrum(of: linear)
    model = WhiteLinearModel(linear, observation, span)
    // Below it an eigenvalue is rounding of 0.
    let floor = 1e-13 * (self.spectrum.values.max() ?? 0)
    inverses = self.spectrum.values.map { $0 > floor ? 1 / $0.squareRoot() : 0 }
    deviations = linear.hasNoise ? inverses : inverses.map { _ in 0 }
    products = RowStorage(span.with(dimension: linear.observedDimension))
  }

  /// The singular values, which all workers share.
  static func spectrum(of linear: LinearObservation) throws -> BlockSpectrum {
    guard let spectrum = linear.spectrum(largestBlock: largestBlock) else {
      throw InputError(
        "needs singular values, and more than \(largestBlock) rows of the operator hang together; allowed for it: "
          + "mmps, pigdm, tmpd, dps")
    }
    return spectrum
  }

  /// Writes Vᵀ x.
  func coefficients(of x: Rows, into c: Rows) {
    let product = products.view(like: x)
    model.multiply(x, into: product)
    spectrum.rotate(product, into: c)
    scale(c)
  }

  /// Writes ȳ of the rows that x has.
  func observed(like x: Rows, into c: Rows) {
    spectrum.rotate(model.values(like: x), into: c)
    scale(c)
  }

  /// Writes V c, where c is overwritten.
  func expand(_ c: Rows, into x: Rows) {
    let product = products.view(like: x)
    scale(c)
    spectrum.rotateBack(c, into: product)
    model.multiplyTransposed(product, into: x)
  }

  private func scale(_ c: Rows) {
    for row in 0..<c.count { for i in 0..<c.dimension { c[row, i] *= inverses[i] } }
  }
}
