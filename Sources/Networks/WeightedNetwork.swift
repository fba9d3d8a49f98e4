// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Tensors

/// A network with a function of the noise level beside it, which is trained with it and then of no more use: the
/// logarithm w of the weight that the loss has at a noise level (Karras et al. 2024, EDM2, equation 21, as −u; Lu and
/// Song 2024, sCM),
///
///     w(ln σ̃) = Σ_k c_k φ_k(ln σ̃)
///
/// with 32 Fourier features φ and parameters c that begin as zeros: with equal weights.
public struct WeightedNetwork: NetworkWrapper {
  /// The network itself.
  public let inner: any Network
  public let layout: ParameterLayout
  /// φ
  public let features: TimeFeatures
  private let coefficients: Int

  /// - Parameters:
  ///   - inner: the network.
  ///   - seed: draws the frequencies of the features.
  public init(_ inner: any Network, seed: UInt64) {
    self.inner = inner
    features = TimeFeatures(.fourier, count: 32, scale: 0.1, seed: seed)
    var layout = inner.layout
    coefficients = layout.add("loss_weight.weight", shape: [1, features.count])
    self.layout = layout
  }

  public func initialParameters(seed: UInt64) -> [Float] {
    inner.initialParameters(seed: seed) + [Float](repeating: 0, count: features.count)
  }

  /// w of a column of ln σ̃: a value for each row.
  public func logWeight(_ logRatios: Tensor, on tape: Tape) -> Tensor {
    tape.matrixProduct(features(logRatios, on: tape), tape.parameter(coefficients), transposeB: true)
  }
}
