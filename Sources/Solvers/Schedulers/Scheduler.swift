// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// A scheduler of diffusers (0.42.1) as a value: a method, with the conventions by which it chooses the levels that a
/// network is told, the noise between them, and the last step. `plan` makes steps of it, `ScheduledSolver` takes them.
///
/// A network of discrete levels is told the level t, and the scheduler takes the state for one of noise σ̃ = σ/m, which
/// need not be the σ̃ of that level: between levels, and where t was rounded, the two differ. What is then held fixed
/// is the network's output (`HeldOutput`).
public struct Scheduler: Sendable, Equatable {
  /// How states move from one σ̃ to the next.
  public enum Method: Sendable, Equatable {
    /// DDIM with η; the next level is N_trained/N below, wherever the next step begins.
    case ddim(eta: Double)
    /// DDPM's ancestral sampling with the variance of the posterior or of the forward transition.
    case ddpm(Ancestral.Variance)
    /// PNDM: linear multistep with fixed weights, and one evaluation more at the beginning.
    case pndm
    /// Euler's step in σ̃, and with fresh noise.
    case euler, eulerAncestral
    /// Heun's step in σ̃.
    case heun
    /// The linear multistep method of order 4 in σ̃.
    case lms
    /// DPM-Solver++ of order 1 to 3; order 3 with the weights that diffusers gives it.
    case dpmSolverPP(order: Int, isStochastic: Bool, correction: DPMSolverPP.Correction)
    /// UniPC of order 1 to 3.
    case uniPC(order: Int, variant: UniPC.Variant)
    /// DEIS of order 1 to 3.
    case deis(order: Int)
  }

  /// Which levels are told.
  public enum Spacing: String, Sendable, CaseIterable {
    /// Multiples of a whole number of levels, from `offset` on.
    case leading
    /// The same counted from the last level down.
    case trailing
    /// Equal steps from the first level to the last.
    case linspace
  }

  /// Where the σ̃ of steps come from.
  public enum Sigmas: String, Sendable, CaseIterable {
    /// The levels told.
    case trained
    /// Equal steps of ln σ̃ over all levels, which are told as spaced.
    case logLinear = "log-linear"
    /// Equal steps of σ̃^{1/7} (Karras et al. 2022), of ln σ̃, of the quantiles of a beta law (Lee et al. 2024), or of
    /// ln σ̃ once more as Lu et al. (2022) have it; the levels told follow from σ̃.
    case karras, exponential, beta, lu
  }

  /// σ̃ at the end of the last step.
  public enum LastSigma: String, Sendable, CaseIterable {
    /// 0: the data.
    case zero
    /// That of the first trained level; of UniPC with its own σ̃, the last of these.
    case lowest = "sigma-min"
  }

  /// How states move.
  public var method: Method
  /// N trained levels are divided like this.
  public var spacing: Spacing
  /// Added to the levels of `leading`.
  public var offset: Int
  /// Where the σ̃ of steps come from.
  public var sigmas: Sigmas
  /// The ends of Karras', exponential and beta σ̃; nil: those of the levels.
  public var lowestSigma, highestSigma: Double?
  /// Where methods in σ̃ end.
  public var lastSigma: LastSigma
  /// Whether DDIM and PNDM end without noise (`set_alpha_to_one`), or at the first level.
  public var endsWithoutNoise: Bool
  /// Whether PNDM makes its first three steps by Runge and Kutta, with four evaluations each.
  public var startsWithRungeKutta: Bool
  /// Whether the last steps of methods of higher order are of lower order.
  public var lowersLastOrders: Bool
  /// Whether the last step of DPM-Solver++ is always of order 1.
  public var endsWithEuler: Bool
  /// No level below this λ = ln(m/σ) is told, of DPM-Solver++.
  public var lowestLogSignalToNoise: Double
  /// What the network's output stands for.
  public var held: HeldOutput
  /// What becomes of the denoised mean.
  public var clipping: Clipping
  /// Whether the multistep methods cut off the fractions of levels that follow from Karras' σ̃ instead of rounding
  /// them, as diffusers does for cosine schedules.
  public var cutsFractions: Bool

  /// A method with the conventions that diffusers gives it where a file says nothing.
  public init(_ method: Method) {
    self.method = method
    (offset, sigmas, lowestSigma, highestSigma) = (0, .trained, nil, nil)
    (endsWithoutNoise, lowersLastOrders, endsWithEuler) = (true, true, false)
    (lowestLogSignalToNoise, held, clipping) = (-.infinity, .noise, .none)
    (lastSigma, cutsFractions, startsWithRungeKutta) = (.zero, false, false)
    switch method {
    case .ddim, .ddpm: spacing = .leading
    case .pndm: (spacing, endsWithoutNoise) = (.leading, false)
    case .euler, .eulerAncestral, .heun, .lms, .dpmSolverPP, .uniPC: spacing = .linspace
    case .deis: (spacing, lastSigma) = (.linspace, .lowest)
    }
  }

  var isDDPM: Bool { if case .ddpm = method { true } else { false } }

  /// Whether it adds noise.
  public var isStochastic: Bool {
    switch method {
    case .ddim(let eta): eta > 0
    case .ddpm, .eulerAncestral: true
    case .dpmSolverPP(_, let isStochastic, _): isStochastic
    case .pndm, .euler, .heun, .lms, .uniPC, .deis: false
    }
  }
}

/// The output of a network that a scheduler holds fixed where the level told and the noise of the state differ.
public enum HeldOutput: String, Sendable, CaseIterable {
  /// ε
  case noise
  /// The denoised mean.
  case data
  /// v = (m ε − σ x_0)/√(m² + σ²)
  case velocity
}

/// What becomes of the denoised mean before a step.
public enum Clipping: Sendable, Equatable {
  /// It stays as it is.
  case none
  /// Cut to ±range.
  case range(Double)
  /// Cut to ±s and divided by s, where s is that quantile of a row's magnitudes, at least 1 and at most `largest`
  /// (Saharia et al. 2022).
  case dynamic(quantile: Double, largest: Double)

  /// Clips rows of denoised means.
  func apply(to x: Rows) {
    switch self {
    case .none: return
    case .range(let range):
      for i in 0..<x.size { x.values[i] = min(max(x.values[i], -range), range) }
    case .dynamic(let quantile, let largest):
      for row in 0..<x.count {
        let values = x.row(row).values
        let magnitudes = (0..<x.dimension).map { abs(values[$0]) }.sorted()
        // Linear between two of the sorted magnitudes, as torch.quantile.
        let place = quantile * Double(x.dimension - 1)
        let below = Int(place)
        let above = min(below + 1, x.dimension - 1)
        let found = magnitudes[below] + (place - Double(below)) * (magnitudes[above] - magnitudes[below])
        let limit = min(max(found, 1), largest)
        for j in 0..<x.dimension { values[j] = min(max(values[j], -limit), limit) / limit }
      }
    }
  }
}
