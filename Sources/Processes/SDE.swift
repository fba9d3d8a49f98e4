// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// A forward SDE  dx = f(x, t) dt + G(x, t) dw  on 0 ≤ t ≤ duration, which destroys data into a prior.
///
/// It knows no network, no solver and no data. Every operation *adds* `times` · term to `out`, row by row, so that a
/// solver builds its update without temporaries; `out` never overlaps the other arguments. `t` holds for all rows.
///
/// Duration, drift, score drift, noise and prior are all that every process has, beside two hints to samplers with
/// defaults. What only some processes know is a protocol of its own beside this one, and whoever wants it asks for it:
/// a perturbation kernel (`KernelSDE`), states wider than the data (`AugmentedSDE`), derivatives of the flow
/// (`DifferentiableFlow`), coordinates in which it is linear (`TransformedSDE`). A process whose f and G are a(t) x and
/// g(t) conforms to `AffineSDE` and gets all of it; one with matrices A(t) and G(t) to `LinearSDE`. Noise that depends
/// on the state (in the sense of Itô) conforms here.
public protocol SDE: Sendable {
  /// T: the time at which the prior is reached.
  var duration: Double { get }

  /// Adds the drift, out += times · f(x, t).
  /// - Parameters:
  ///   - x: the states, rows × dimension.
  ///   - t: their time.
  ///   - times: a factor.
  ///   - out: rows × dimension.
  func addDrift(_ x: Rows, at t: Double, times: Double, to out: Rows)

  /// Adds the score's part of the reverse drift, out += times · (G Gᵀ s + ∇·(G Gᵀ)).
  /// - Parameters:
  ///   - s: the score ∇ₓ log pₜ(x), rows × dimension.
  ///   - x: the states, rows × dimension.
  ///   - t: their time.
  ///   - times: a factor.
  ///   - out: rows × dimension.
  func addScoreDrift(_ s: Rows, _ x: Rows, at t: Double, times: Double, to out: Rows)

  /// Adds noise, out += times · G(x, t) z.
  /// - Parameters:
  ///   - z: standard normals, rows × dimension.
  ///   - x: the states, rows × dimension.
  ///   - t: their time.
  ///   - times: a factor.
  ///   - out: rows × dimension.
  func addNoise(_ z: Rows, _ x: Rows, at t: Double, times: Double, to out: Rows)

  /// Where the way back begins.
  func makePrior() -> any Prior

  /// ε: the time at which samplers stop by default, 0 ≤ ε < T; default: 1e-3, or T/100 where that is less.
  var samplingEpsilon: Double { get }

  /// How samplers space fixed steps by default; default: equal steps of t.
  var samplingSpacing: TimeSpacing { get }
}

extension SDE {
  public var samplingEpsilon: Double { safeEpsilon(1e-3, duration) }
  public var samplingSpacing: TimeSpacing { .uniform }

  /// Adds the drift of the reverse-time SDE (Anderson 1982), out += times · (f − ∇·(G Gᵀ) − G Gᵀ s). Its noise is that
  /// of the forward SDE.
  /// - Parameters:
  ///   - x: the states, rows × dimension.
  ///   - s: their score, rows × dimension.
  ///   - t: their time.
  ///   - times: a factor.
  ///   - out: rows × dimension.
  public func addReverseDrift(_ x: Rows, score s: Rows, at t: Double, times: Double, to out: Rows) {
    addDrift(x, at: t, times: times, to: out)
    addScoreDrift(s, x, at: t, times: -times, to: out)
  }

  /// Adds the field of the probability-flow ODE, which has the SDE's marginals (Song et al. 2021, eq. 13):
  /// out += times · (f − ½ ∇·(G Gᵀ) − ½ G Gᵀ s).
  /// - Parameters:
  ///   - x: the states, rows × dimension.
  ///   - s: their score, rows × dimension.
  ///   - t: their time.
  ///   - times: a factor.
  ///   - out: rows × dimension.
  public func addFlow(_ x: Rows, score s: Rows, at t: Double, times: Double, to out: Rows) {
    addDrift(x, at: t, times: times, to: out)
    addScoreDrift(s, x, at: t, times: -0.5 * times, to: out)
  }
}
