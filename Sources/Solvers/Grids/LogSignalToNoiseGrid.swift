// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Processes

/// Equal steps of λ = ln(m/σ), from T to ε (Lu et al. 2022a), for every process with noise at ε.
public struct LogSignalToNoiseGrid: TimeGrid {
  /// The grid has no parameters.
  public init() {}

  public func times(
    from start: Double, to end: Double, steps: Int, kernel: (any PerturbationKernel)?
  ) throws -> [Double] {
    precondition(steps > 0)
    guard let kernel else {
      throw InputError("the log-snr grid needs a process whose noise σ/m is known at every time")
    }
    let (high, low) = (kernel.moments(at: start).noiseToSignal, kernel.moments(at: end).noiseToSignal)
    guard high.isFinite, low > 0, low < high else {
      throw InputError(
        "the log-snr grid needs σ/m to grow from above 0 at ε to a finite value at T; it is \(low) and \(high)")
    }
    return kernel.times(equalInLogSignalToNoiseFrom: start, to: end, steps: steps)
  }
}
