// SPDX-License-Identifier: GPL-3.0-or-later

/// A class of diffusers' schedulers: what it says of the network beside it, and what it takes for granted where its
/// file is silent (diffusers 0.42.1).
struct SchedulerClass: Sendable {
  enum Family: Sendable {
    /// N noise levels with β each. A class of this family differs from others only in how it samples.
    case discrete(Discrete)
    /// σ from σ_min to σ_max, with a network that is told σ and gives the score.
    case exploding
  }

  struct Discrete: Sendable {
    var first = 1e-4
    var last = 0.02
    /// What its `beta_schedule` may be.
    var schedules = ["linear", "scaled_linear", "squaredcos_cap_v2"]
    /// What its `prediction_type` may be, `epsilon` where it has none.
    var predictions = ["epsilon", "sample", "v_prediction"]
    /// Whether it knows `rescale_betas_zero_snr`.
    var rescales = false
  }

  let name: String
  let family: Family

  static func named(_ name: String) -> SchedulerClass? { all.first { $0.name == name } }

  /// The names of all that are followed.
  static var allowed: String { all.map(\.name).joined(separator: ", ") }

  static let all: [SchedulerClass] = [
    discrete("DDPM", schedules: ["laplace", "sigmoid"], rescales: true),
    discrete("DDPMParallel", schedules: ["laplace", "sigmoid"], rescales: true),
    discrete("DDIM", rescales: true),
    discrete("DDIMParallel", rescales: true),
    discrete("DDIMInverse", rescales: true),
    discrete("PNDM", without: "sample"),
    discrete("RePaint", schedules: ["sigmoid"], predictions: ["epsilon"]),
    discrete("DEISMultistep"),
    discrete("DPMSolverMultistep", rescales: true),
    discrete("DPMSolverMultistepInverse"),
    discrete("DPMSolverSinglestep"),
    discrete("UniPCMultistep", rescales: true),
    discrete("SASolver"),
    discrete("EulerDiscrete", predictions: ["epsilon", "sample", "original_sample", "v_prediction"], rescales: true),
    discrete("EulerAncestralDiscrete", rescales: true),
    discrete("LMSDiscrete"),
    // These four begin with other β.
    discrete("HeunDiscrete", latent: true, schedules: ["exp"]),
    discrete("KDPM2Discrete", latent: true),
    discrete("KDPM2AncestralDiscrete", latent: true),
    discrete("DPMSolverSDE", latent: true),
    SchedulerClass(name: "ScoreSdeVeScheduler", family: .exploding),
  ]

  private static func discrete(
    _ name: String, latent: Bool = false, schedules more: [String] = [], predictions: [String]? = nil,
    without: String? = nil, rescales: Bool = false
  ) -> SchedulerClass {
    var levels = Discrete()
    if latent { (levels.first, levels.last) = (0.00085, 0.012) }
    levels.schedules += more
    levels.predictions = (predictions ?? levels.predictions).filter { $0 != without }
    levels.rescales = rescales
    return SchedulerClass(name: "\(name)Scheduler", family: .discrete(levels))
  }

  /// Why another class of diffusers is not followed; nil for one that is unknown.
  static func refusal(of name: String) -> String? {
    for (reason, names) in refused where names.contains(name.replacing("Scheduler", with: "")) { return reason }
    if name.hasPrefix("FlowMatch") || name.hasPrefix("FlowMap") { return flows }
    return nil
  }

  private static let flows = "of flows, whose networks are told another time and give another velocity"

  private static let refused: [(reason: String, names: [String])] = [
    (
      flows,
      [
        "FlowMatchEulerDiscrete", "FlowMatchHeunDiscrete", "FlowMatchLCM", "FlowMapEulerDiscrete",
        "LTXEulerAncestralRF", "Helios", "HeliosDMD", "MiniMaxH3", "Piflow", "SCM", "RFD4Proteina",
      ]
    ),
    (
      "of networks distilled to few steps, which are no scores",
      ["LCM", "TCD", "CMStochasticIterative", "ConsistencyDecoder"]
    ),
    ("of EDM's preconditioning with ln(σ)/4, which is not read", ["EDMEuler", "EDMDPMSolverMultistep"]),
    ("of a network that is told σ/2 and sees (x + 1)/2", ["KarrasVe"]),
    ("of a continuous cosine schedule", ["CosineDPMSolverMultistep", "DDPMWuerstchen", "IPNDM"]),
    ("of a network of continuous time, whose label diffusers leaves open", ["ScoreSdeVp"]),
    ("of a learned variance", ["UnCLIP"]),
    ("of video models, whose noise levels are shifted", ["CogVideoXDDIM", "CogVideoXDPM"]),
    (
      "of discrete tokens",
      ["VQDiffusion", "Amused", "BlockRefinement", "DiscreteDDIM", "EntropyBound"]
    ),
  ]
}
