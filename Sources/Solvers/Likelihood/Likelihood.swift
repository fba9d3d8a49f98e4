// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Processes

/// How log densities are computed: with the probability-flow field F, whose solution from x at ε ends in z at T,
///
///     log p_ε(x) = log p_T(z) + ∫_ε^T ∇·F dt
///
/// (Chen et al. 2018, eq. 8; Song et al. 2021, eq. 39). State and divergence are integrated together, so that the
/// integrator controls the error of both.
public struct Likelihood: Sendable {
  /// The density that the flow ends in.
  public enum Terminal: String, Sendable, CaseIterable {
    /// The process's prior, as in the literature. Differs from pₜ at T by what the data has not yet forgotten there.
    case prior
    /// The score's own log density at T.
    case exact
  }

  /// How the divergence is taken.
  public enum Divergence: Sendable, Equatable {
    /// Σ_j e_jᵀ (∂F/∂x) e_j: D Jacobian products an evaluation.
    case exact
    /// The mean over probes v with E[v vᵀ] = I of vᵀ (∂F/∂x) v: unbiased, a Jacobian product a probe and evaluation. A
    /// probe stays the same for the whole solve (Hutchinson 1990; Grathwohl et al. 2019).
    case hutchinson(probes: Int, Probe)

    /// Whether there are several estimates, whose spread tells their error.
    public var hasErrors: Bool { if case .hutchinson(let probes, _) = self { probes > 1 } else { false } }
  }

  /// The law of a probe's coordinates.
  public enum Probe: String, Sendable, CaseIterable {
    /// ±1 with equal chances: never more variance than Gaussian probes.
    case rademacher
    /// Standard normal.
    case gaussian
  }

  /// The largest dimension in which the exact divergence is offered.
  public static let largestExactDimension = 64

  /// What solves the flow.
  public let integrator: any Integrator
  /// Where the flow begins: the density is that of data with the process's noise of time ε.
  public let epsilon: Double
  /// The density at T.
  public let terminal: Terminal
  /// How the divergence is taken.
  public let divergence: Divergence

  /// - Parameters:
  ///   - integrator: an explicit method for the flow.
  ///   - epsilon: where the flow begins, 0 ≤ ε < T; the score must be finite there.
  ///   - terminal: the density at T.
  ///   - divergence: how the divergence is taken.
  public init(
    _ integrator: any Integrator = GSLIntegrator(.rkf45), epsilon: Double = 1e-5, terminal: Terminal = .prior,
    divergence: Divergence
  ) {
    precondition(epsilon >= 0, "0 ≤ ε < T")
    if case .hutchinson(let probes, _) = divergence { precondition(probes > 0, "at least one probe") }
    self.integrator = integrator
    self.epsilon = epsilon
    self.terminal = terminal
    self.divergence = divergence
  }

  /// What process and score must offer.
  public var requires: Requirements { terminal == .exact ? .logDensity : [] }

  /// - Throws: `InputError` for an implicit integrator, which would need the derivatives of the divergence.
  public func requireExplicitIntegrator() throws {
    if integrator.requires.contains(.jacobian) {
      throw InputError("is implicit, and would need derivatives of the divergence: take an explicit method, as rkf45")
    }
  }

  /// - Throws: `InputError` where the exact divergence is asked for in too many dimensions.
  public func requireDimension(_ dimension: Int) throws {
    if divergence == .exact && dimension > Self.largestExactDimension {
      throw InputError(
        "is exact, for at most \(Self.largestExactDimension) dimensions; there are \(dimension): take hutchinson")
    }
  }
}
