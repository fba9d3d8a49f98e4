// SPDX-License-Identifier: GPL-3.0-or-later
import Conditioning
import Core

extension Catalogue {
  /// Sequential Monte Carlo.
  static let particleGuidance = Kind<any Guidance>(
    "smc", "sequential Monte Carlo: weighted particles for every row, exact in the limit of many"
  ) { options, _ in
    let particles = try options.integer(
      "particles", default: 16, atLeast: 1, atMost: 65_536, "how many particles a row has, of which one is its sample")
    let share = try options.number(
      "resample", default: 0.5, in: .closed(0, 1), "resampling below this share of effective particles")
    let variant = try options.choice(
      "variant", default: ParticleVariant.tds, "twisted by p(y | x̂₀), or MCG-Diff's moves for y = A x + noise")
    let spread = try options.only(if: variant == .tds, needs: "variant: tds") {
      try options.choice(
        "spread", default: ParticleSpread.none,
        "covariance of x₀ given x_t in p(y | x̂₀): none, ΠGDM's r² I, or by the score's Jacobian; for y = A x + noise")
    }
    let deviation = try options.only(if: spread == .isotropic, needs: "spread: isotropic") {
      try options.number("data_deviation", default: 1, in: .positive, "of the data, for r² = σ̃² d²/(σ̃² + d²)")
    }
    let method: ParticleGuidance.Variant =
      switch (variant, spread) {
      case (.mcgDiff, _): .conjugate
      case (.tds, .none): .tds(.none)
      case (.tds, .isotropic): .tds(.isotropic(deviation: deviation))
      case (.tds, .jacobian): .tds(.jacobian)
      }
    return ParticleGuidance(particles: particles, share: share, variant: method)
  }

  /// By candidates of a known prior.
  static let monteCarloGuidance = Kind<any Guidance>(
    "monte-carlo",
    "by candidates x₀ of p(x₀ | x_t), for data that is a Gaussian mixture or a uniform box, weighed by p(y | x₀)"
  ) { options, _ in
    let candidates = try options.integer(
      "candidates", default: 256, atLeast: 2, atMost: 1_000_000, "how many x₀ are drawn for a row at every step")
    let moves = try options.choice(
      "moves", default: MonteCarloGuidance.Moves.score,
      "along the score of the candidates' mean, or exact steps of kind ancestral by drawing one: each row, or all as one"
    )
    let jackknife = try options.only(if: moves == .score, needs: "moves: score") {
      try options.flag("jackknife", default: true, "takes the bias of order 1/candidates off the mean")
    }
    let effective = try options.only(if: moves == .population, needs: "moves: population") {
      try options.number(
        "effective", default: PosteriorPopulation.usualShare, in: .closed(1e-6, 1),
        "p(y | x₀) counts as much as leaves this share of the candidates effective: less, sooner")
    }
    return MonteCarloGuidance(candidates: candidates, moves: moves, jackknife: jackknife, effective: effective)
  }

  private enum ParticleVariant: String, CaseIterable {
    case tds
    case mcgDiff = "mcg-diff"
  }

  private enum ParticleSpread: String, CaseIterable { case none, isotropic, jacobian }
}
