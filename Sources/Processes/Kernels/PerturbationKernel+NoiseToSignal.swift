// SPDX-License-Identifier: GPL-3.0-or-later
import Glibc

extension PerturbationKernel {
  /// N + 1 times of equal steps of λ = ln(m/σ), from a later time to an earlier one.
  /// - Precondition: σ/m grows from above 0 at `end` to a finite value at `start`, and N > 0.
  public func times(equalInLogSignalToNoiseFrom start: Double, to end: Double, steps: Int) -> [Double] {
    let (high, low) = (moments(at: start).noiseToSignal, moments(at: end).noiseToSignal)
    return (0...steps).map { i in
      if i == 0 { return start }
      if i == steps { return end }
      let noiseToSignal = exp(log(high) + Double(i) / Double(steps) * log(low / high))
      return time(ofNoiseToSignal: noiseToSignal, from: end, to: start)
    }
  }

  /// The time t in [start, end] at which σ̃(t) = σ/m is `wanted`, to 1e-13 of σ̃ or to the kernel's own rounding; the
  /// nearer end where σ̃ does not reach it.
  ///
  /// For an affine process dv/dt = 2 a v + g² and d ln m/dt = a give dσ̃²/dt = d(v/m²)/dt = g²/m² ≥ 0: σ̃ grows with
  /// time under every such process, and its inverse is well defined wherever there is noise. Found on ln σ̃ by the
  /// method of Anderson and Björck (1973), regula falsi that never loses its bracket: some ten evaluations.
  public func time(ofNoiseToSignal wanted: Double, from start: Double, to end: Double) -> Double {
    func excess(_ t: Double) -> Double { log(moments(at: t).noiseToSignal / wanted) }
    var (a, b) = (start, end)
    var (fa, fb) = (excess(a), excess(b))
    // The ends also take ratios of 0 and ∞.
    if !(fa < 0) { return start }
    if !(fb > 0) { return end }
    // A bracket around a smooth root takes ten or so; 200 halvings reach the last bit of any double.
    for _ in 0..<200 {
      let isFinite = fa.isFinite && fb.isFinite
      let c = isFinite ? b - fb * (b - a) / (fb - fa) : 0.5 * (a + b)
      let fc = excess(c)
      if abs(fc) <= 1e-13 || c == a || c == b { return c }
      if (fc < 0) != (fb < 0) {
        (a, fa) = (b, fb)
      } else {
        let share = 1 - fc / fb
        fa *= share > 0 ? share : 0.5
      }
      (b, fb) = (c, fc)
    }
    return b
  }
}
