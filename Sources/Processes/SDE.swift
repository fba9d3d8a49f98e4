// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// A forward SDE  dx = f(x, t) dt + G(x, t) dw  on 0 ≤ t ≤ duration, which destroys data into a prior.
///
/// Knows no network and no solver. Every operation *adds* `times` · term to `out`, row by row, so that a solver builds
/// its update without temporaries; `out` never overlaps the other arguments. `t` holds for all rows.
///
/// A process whose f and G are f(x, t) = a(t) x and g(t) conforms to `AffineSDE` instead and gets all of this.
public protocol SDE: Sendable {
  /// T: the time at which the prior is reached.
  var duration: Double { get }

  /// ε: the time at which samplers stop by default, 0 ≤ ε < T.
  var samplingEpsilon: Double { get }

  /// out += times · f(x, t)
  func addDrift(_ x: Rows, at t: Double, times: Double, to out: Rows)

  /// out += times · (G Gᵀ s + ∇·(G Gᵀ)) for the score s = ∇ₓ log pₜ(x)
  func addScoreDrift(_ s: Rows, _ x: Rows, at t: Double, times: Double, to out: Rows)

  /// out += times · G(x, t) z
  func addNoise(_ z: Rows, _ x: Rows, at t: Double, times: Double, to out: Rows)

  /// Fills rows with draws from the prior.
  func drawPrior(into x: Rows, from stream: NoiseStream)

  /// The log density of the prior at each row; `out` has `x.count` values.
  func priorLogDensity(_ x: Rows, into out: UnsafeMutablePointer<Double>)

  /// The law of x_t given x_0 where it is m(t) x_0 + √v(t) z; nil for a process that has no such kernel.
  func makeKernel() -> (any PerturbationKernel)?
}

extension SDE {
  public func makeKernel() -> (any PerturbationKernel)? { nil }

  /// out += times · (f − ∇·(G Gᵀ) − G Gᵀ s): the drift of the reverse-time SDE (Anderson 1982), whose noise is that of
  /// the forward one.
  public func addReverseDrift(_ x: Rows, score s: Rows, at t: Double, times: Double, to out: Rows) {
    addDrift(x, at: t, times: times, to: out)
    addScoreDrift(s, x, at: t, times: -times, to: out)
  }

  /// out += times · (f − ½ ∇·(G Gᵀ) − ½ G Gᵀ s): the field of the probability-flow ODE, which has the SDE's marginals
  /// (Song et al. 2021, eq. 13).
  public func addFlow(_ x: Rows, score s: Rows, at t: Double, times: Double, to out: Rows) {
    addDrift(x, at: t, times: times, to: out)
    addScoreDrift(s, x, at: t, times: -0.5 * times, to: out)
  }
}
