// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Models
import Networks
import Processes

/// Bridge matching (Peluchetti 2023; Shi et al. 2023; [SF]²M, Tong et al. 2024b): between data x₀ and ends x_T that a
/// coupling puts together lie bridges of the process, and the network learns E[x₀ | x_t].
///
/// With the kernel x_t = m x₀ + σ z and r = (σ_t/m_t)²/(σ_T/m_T)², a bridge is at t a draw of
///
///     N(m_t (1 − r) x₀ + r (m_t/m_T) x_T, σ_t² (1 − r) I),
///
/// and the reverse drift of the process given x₀ is a x − g² (m x₀ − x)/σ². Its mean given x_t replaces x₀ by D = E[x₀
/// | x_t]: with S = (m D − x)/σ² solvers of the reverse SDE take the Markov process of the bridges' laws, which is the
/// Schrödinger bridge where the coupling is the entropic plan of the cost ‖x_T − m_T x₀‖²/(2 σ_T²) (Léonard 2014). The
/// loss is the mean over t of w(t) σ² ‖S − (m x₀ − x_t)/σ²‖²/D, as that of denoising score matching.
public struct BridgeMatching: CoupledObjective {
  /// The network with its conventions.
  public let model: ScoreModel
  public let times: TrainingTimes
  package let regression: CoupledRegression

  /// - Parameters:
  ///   - model: of the process's scalar kernel, with signal left at T.
  ///   - process: gives g(t) to weightings that ask for it.
  ///   - coupling: which ends go with which rows.
  ///   - ends: what they are drawn from.
  ///   - weighting: w(t)
  ///   - times: the law of t.
  public init(
    _ model: ScoreModel, process: PreparedProcess, coupling: Coupling = .independent, ends: PathEnds = .prior,
    weighting: Weighting = .uniform, times: TrainingTimes
  ) {
    precondition(model.kernel.isScalar, "a scalar kernel")
    (self.model, self.times) = (model, times)
    let last = model.kernel.moments(at: model.duration)
    let coupled = CoupledEnds(
      coupling, ends, dimension: model.network.dimension, signal: last.scale, deviation: last.deviation)
    let dataDeviation = model.dataDeviation
    regression = CoupledRegression(model: model, ends: coupled) { t, moments in
      let (m, v) = (moments.scale, moments.variance)
      let share = moments.noiseToSignal / last.noiseToSignal
      let r = min(1, share * share)
      let (end, noise) = (r * m / last.scale, (v * (1 - r)).squareRoot())
      let factor = weighting.factor(moments, diffusion: { process.scalarDiffusion(at: t) }, dataDeviation)
      return CoupledRegression.Point(
        state: (m * (1 - r), end, noise), score: (m * r / v, -end / v, -noise / v), weight: v * factor)
    }
  }
}
