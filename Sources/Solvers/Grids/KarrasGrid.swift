// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Glibc
import Processes

/// σ̃_i = (σ̃(T)^{1/ρ} + i/N (σ̃(ε)^{1/ρ} − σ̃(T)^{1/ρ}))^ρ with σ̃ = σ/m (Karras et al. 2022, eq. 5): the larger ρ,
/// the more steps at low noise. The times follow from σ̃ by inversion, for every process with a scalar kernel.
///
/// The paper's N points, which end in a step to 0, are our N − 1 intervals and the denoising at the end. The range is
/// that of the process between ε and T, because the prior is the law at T and Tweedie's mean is taken at ε.
public struct KarrasGrid: TimeGrid {
  /// ρ
  public let rho: Double

  /// - Parameter rho: ρ > 0; 7 in the paper. 1 spaces σ̃ equally; ρ → ∞ spaces ln σ̃ equally.
  public init(rho: Double = 7) {
    precondition(rho > 0, "ρ > 0")
    self.rho = rho
  }

  public func times(
    from start: Double, to end: Double, steps: Int, kernel: (any PerturbationKernel)?
  ) throws -> [Double] {
    precondition(steps > 0)
    guard let kernel else {
      throw InputError("the karras grid needs a process whose noise σ/m is known at every time")
    }
    let (high, low) = (kernel.moments(at: start).noiseToSignal, kernel.moments(at: end).noiseToSignal)
    guard high.isFinite, low < high else {
      throw InputError("the karras grid needs σ/m to grow from ε to a finite value at T; it is \(low) and \(high)")
    }
    // σ̃_i/σ̃(T) = (1 + i/N (q − 1))^ρ with q = (σ̃(ε)/σ̃(T))^{1/ρ}, which no ρ makes overflow.
    let change = expm1(log(low / high) / rho)
    return (0...steps).map { i in
      if i == 0 { return start }
      if i == steps { return end }
      let noiseToSignal = high * exp(rho * log1p(Double(i) / Double(steps) * change))
      return kernel.time(ofNoiseToSignal: noiseToSignal, from: end, to: start)
    }
  }
}
