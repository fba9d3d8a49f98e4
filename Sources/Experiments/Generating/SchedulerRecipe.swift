// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Models
import Processes
import Solvers

/// How a scheduler_config.json samples: its class and entries as a `Scheduler`, and the levels that the network counts.
/// What the network is, its levels and what its output stands for, is read by `SchedulerFile`.
public struct SchedulerRecipe: Sendable {
  /// Method and conventions.
  public let scheduler: Scheduler
  /// What the network's output stands for.
  public let prediction: Prediction
  /// The network's levels, in single precision as diffusers has them.
  public let levels: TrainedLevels
  /// The same as the schedule of a process.
  public let schedule: DiscreteBeta
  /// What a pipeline changes in the file, a line each.
  public let notes: [String]

  /// - Parameters:
  ///   - path: the file.
  ///   - pipeline: the class that model_index.json names; nil: none.
  ///   - method: samples as the class of this solver's name would that is given the file's entries, each class with its
  ///     own defaults for what the file does not say; nil: the file's own class.
  ///   - isStableDiffusion: whether a StableDiffusionPipeline has it, which sets steps_offset to 1 and clip_sample to
  ///     false.
  ///   - eta: η of DDIM.
  /// - Throws: `InputError` at the file for a class or an entry that is not followed.
  public init(
    _ path: String, pipelineSays pipeline: String? = nil, as method: String? = nil, isStableDiffusion: Bool = false,
    eta: Double = 0
  ) throws {
    let config = try JSONFile(path, missing: "no such file; a pipeline has it")
    let file = try SchedulerFile(config, pipelineSays: pipeline)
    guard case .discrete(let schedule) = file.levels else {
      throw config.wrong("_class_name", "is '\(file.name)', which counts no levels; allowed: \(Self.allowed)")
    }
    guard let name = method.map({ Self.names[$0] ?? $0 }) ?? Self.known(file.name) else {
      throw config.wrong(
        "_class_name",
        "is '\(file.name)', a scheduler whose steps are not followed; allowed: \(Self.allowed), or another --solver")
    }
    let reader = SchedulerReader(config, name, isStableDiffusion: isStableDiffusion)
    var scheduler = try reader.scheduler(eta: eta)
    switch file.prediction {
    case .velocity: scheduler.held = .velocity
    case .data: scheduler.held = .data
    default: scheduler.held = .noise
    }
    if scheduler.held == .data, name == "PNDM" || name == "EulerAncestralDiscrete" {
      throw config.wrong("prediction_type", "is sample; allowed for \(name)Scheduler: epsilon, v_prediction")
    }
    // Exactly nothing is left of the data, which no process of ours has: 2⁻⁴⁸ is below all digits of the network.
    let isRescaled = try config.flag("rescale_betas_zero_snr", default: false)
    if isRescaled, ["PNDM", "LMSDiscrete", "HeunDiscrete", "DEISMultistep"].contains(name) {
      throw config.wrong("rescale_betas_zero_snr", "is true, which \(name)Scheduler does not know; allowed: false")
    }
    let counts = name == "DDIM" || name == "DDPM"
    levels = TrainedLevels(
      betas: schedule.betas, lastSignal: isRescaled ? (counts ? 0x1p-48 : 0x1p-24) : nil)
    self.schedule = schedule
    self.scheduler = scheduler
    prediction = file.prediction
    notes = reader.notes
  }

  /// The solvers' names of schedulers, and the classes they stand for, without "Scheduler".
  static let names: [String: String] = [
    "ddim": "DDIM", "ddpm": "DDPM", "pndm": "PNDM", "lms": "LMSDiscrete", "euler": "EulerDiscrete",
    "euler-ancestral": "EulerAncestralDiscrete", "heun": "HeunDiscrete", "dpm-solver++-2m": "DPMSolverMultistep",
    "dpm-solver++-2m-sde": "DPMSolverMultistepSDE", "unipc": "UniPCMultistep", "deis": "DEISMultistep",
  ]

  /// A class that is followed, without "Scheduler"; nil for others.
  private static func known(_ name: String) -> String? {
    let short = name.replacing("Parallel", with: "").replacing("Scheduler", with: "")
    return names.values.contains(short) ? short : nil
  }

  private static var allowed: String {
    names.values.filter { $0 != "DPMSolverMultistepSDE" }.sorted().map { "\($0)Scheduler" }.joined(separator: ", ")
  }
}

/// Reads the entries of a scheduler's file that say how it samples, as a class of diffusers would that is given them.
private final class SchedulerReader {
  private let config: JSONFile
  private let name: String
  private let isStableDiffusion: Bool
  private(set) var notes: [String] = []

  init(_ config: JSONFile, _ name: String, isStableDiffusion: Bool) {
    (self.config, self.name, self.isStableDiffusion) = (config, name, isStableDiffusion)
  }

  func scheduler(eta: Double) throws -> Scheduler {
    var scheduler = Scheduler(try method(eta: eta))
    try readLevels(&scheduler)
    switch scheduler.method {
    case .ddim, .pndm:
      let usual = scheduler.endsWithoutNoise
      scheduler.endsWithoutNoise = try flag("set_alpha_to_one", usual)
      // The file of another class says nothing of it: then there are none, as in every folder of Stable Diffusion.
      let isOwn = config.brief("_class_name") == "'PNDMScheduler'"
      if name == "PNDM" { scheduler.startsWithRungeKutta = try !flag("skip_prk_steps", !isOwn) }
    case .ddpm: break
    case .euler: try readSigmas(&scheduler, ["zero", "sigma_min"])
    case .lms, .heun: try readSigmas(&scheduler, [])
    case .eulerAncestral: break
    case .dpmSolverPP:
      try readSigmas(&scheduler, ["zero", "sigma_min"])
      scheduler.lowersLastOrders = try flag("lower_order_final", true)
      scheduler.endsWithEuler = try flag("euler_at_final", false)
      if config.has("lambda_min_clipped"), config.brief("lambda_min_clipped") != "-inf" {
        scheduler.lowestLogSignalToNoise = try config.number("lambda_min_clipped", default: 0)
      }
    case .uniPC:
      try readSigmas(&scheduler, ["zero", "sigma_min"])
      scheduler.lowersLastOrders = try flag("lower_order_final", true)
      if scheduler.lastSigma == .zero, !scheduler.lowersLastOrders {
        throw config.wrong("lower_order_final", "is false, and the last σ is 0; allowed: true")
      }
    case .deis:
      try readSigmas(&scheduler, [])
      scheduler.lowersLastOrders = try flag("lower_order_final", true)
    }
    scheduler.clipping = try clipping()
    return scheduler
  }

  // MARK: The method

  private func method(eta: Double) throws -> Scheduler.Method {
    switch name {
    case "DDPM":
      let variance = try choice(
        "variance_type", "fixed_small", ["fixed_small", "fixed_small_log", "fixed_large"])
      guard variance != "fixed_small_log" else {
        throw config.wrong("variance_type", "is fixed_small_log; allowed for sampling: fixed_small, fixed_large")
      }
      return .ddpm(variance == "fixed_large" ? .transition : .posterior)
    case "PNDM":
      return .pndm
    case "LMSDiscrete": return .lms
    case "EulerDiscrete": return .euler
    case "EulerAncestralDiscrete": return .eulerAncestral
    case "HeunDiscrete": return .heun
    case "DPMSolverMultistep", "DPMSolverMultistepSDE": return try dpmSolver()
    case "UniPCMultistep":
      if config.isSet("predict_x0") == false, config.has("predict_x0") {
        throw config.wrong("predict_x0", "is false; allowed: true")
      }
      if config.has("solver_p") { throw config.wrong("solver_p", "is \(config.brief("solver_p")); allowed: null") }
      if config.has("disable_corrector"), config.brief("disable_corrector") != "[]" {
        throw config.wrong("disable_corrector", "is \(config.brief("disable_corrector")); allowed: []")
      }
      let kind = try choice("solver_type", "bh2", ["bh1", "bh2", "midpoint", "heun", "logrho"])
      return .uniPC(order: try order(upTo: 3), variant: kind == "bh1" ? .bh1 : .bh2)
    case "DEISMultistep": return .deis(order: try order(upTo: 3))
    default: return .ddim(eta: eta)
    }
  }

  private func dpmSolver() throws -> Scheduler.Method {
    let kinds = ["midpoint", "heun", "logrho", "bh1", "bh2"]
    let correction: DPMSolverPP.Correction =
      try choice("solver_type", "midpoint", kinds) == "heun" ? .exact : .published
    var isStochastic = name == "DPMSolverMultistepSDE"
    if !isStochastic {
      let known = ["dpmsolver++", "sde-dpmsolver++", "deis", "dpmsolver", "sde-dpmsolver", "data_prediction"]
      let kind = try choice("algorithm_type", "dpmsolver++", known)
      guard !["dpmsolver", "sde-dpmsolver"].contains(kind) else {
        throw config.wrong("algorithm_type", "is '\(kind)'; allowed for sampling: dpmsolver++, sde-dpmsolver++")
      }
      isStochastic = kind == "sde-dpmsolver++"
    }
    let order = try order(upTo: 3)
    if isStochastic, order == 3 {
      throw config.wrong("solver_order", "is 3 for a stochastic solver; allowed: 1, 2")
    }
    return .dpmSolverPP(order: order, isStochastic: isStochastic, correction: correction)
  }

  private func order(upTo most: Int) throws -> Int {
    let order = config.has("solver_order") ? try config.integer("solver_order", default: 2) : 2
    guard (1...most).contains(order) else {
      throw config.wrong("solver_order", "is \(order); allowed: 1 to \(most)")
    }
    return order
  }

  // MARK: Levels and σ̃

  private func readLevels(_ scheduler: inout Scheduler) throws {
    let spacing = try choice("timestep_spacing", scheduler.spacing.rawValue, ["leading", "trailing", "linspace"])
    scheduler.spacing = Scheduler.Spacing(rawValue: spacing) ?? scheduler.spacing
    scheduler.offset = config.has("steps_offset") ? try config.integer("steps_offset", default: 0) : 0
    guard (0...1_000_000).contains(scheduler.offset) else {
      throw config.wrong("steps_offset", "is \(scheduler.offset); allowed: 0 or more")
    }
    if isStableDiffusion, scheduler.offset != 1 {
      if scheduler.spacing == .leading {
        notes.append("\(config.path): steps_offset is taken as 1, as StableDiffusionPipeline does")
      }
      scheduler.offset = 1
    }
    let schedule = config.has("beta_schedule") ? try config.text("beta_schedule", default: "") : ""
    scheduler.cutsFractions = name.hasPrefix("DPM") && schedule == "squaredcos_cap_v2"
  }

  private func readSigmas(_ scheduler: inout Scheduler, _ ends: [String]) throws {
    var kinds: [(String, Scheduler.Sigmas)] = [
      ("use_karras_sigmas", .karras), ("use_exponential_sigmas", .exponential), ("use_beta_sigmas", .beta),
    ]
    if case .dpmSolverPP = scheduler.method { kinds.append(("use_lu_lambdas", .lu)) }
    let chosen = try kinds.filter { try flag($0.0, false) }
    if chosen.count > 1 { throw config.wrong(chosen[1].0, "is true beside \(chosen[0].0); allowed: one of them") }
    if let first = chosen.first {
      scheduler.sigmas = first.1
    } else if scheduler.method == .euler,
      try choice("interpolation_type", "linear", ["linear", "log_linear"]) != "linear"
    {
      scheduler.sigmas = .logLinear
    }
    switch scheduler.method {
    case .euler, .uniPC:
      scheduler.lowestSigma = try positive("sigma_min")
      scheduler.highestSigma = try positive("sigma_max")
    default: break
    }
    if !ends.isEmpty, try choice("final_sigmas_type", "zero", ends) != "zero" { scheduler.lastSigma = .lowest }
  }

  private func positive(_ key: String) throws -> Double? {
    guard config.has(key) else { return nil }
    let value = try config.number(key, default: 1)
    guard value > 0 else { throw config.wrong(key, "is \(value); allowed: above 0") }
    return value
  }

  // MARK: Clipping

  private func clipping() throws -> Clipping {
    switch name {
    case "DDIM", "DDPM", "DPMSolverMultistep", "DPMSolverMultistepSDE", "UniPCMultistep", "DEISMultistep":
      if try flag("thresholding", false) {
        let quantile = try config.number("dynamic_thresholding_ratio", default: 0.995)
        let largest = try config.number("sample_max_value", default: 1)
        guard (0...1).contains(quantile) else {
          throw config.wrong("dynamic_thresholding_ratio", "is \(quantile); allowed: 0 to 1")
        }
        guard largest >= 1 else { throw config.wrong("sample_max_value", "is \(largest); allowed: 1 or more") }
        return .dynamic(quantile: quantile, largest: largest)
      }
    default: break
    }
    guard ["DDIM", "DDPM", "HeunDiscrete"].contains(name) else { return .none }
    guard try flag("clip_sample", name != "HeunDiscrete") else { return .none }
    if isStableDiffusion {
      if config.has("clip_sample") {
        notes.append("\(config.path): clip_sample is taken as false, as StableDiffusionPipeline does")
      }
      return .none
    }
    let range = try config.number("clip_sample_range", default: 1)
    guard range > 0 else { throw config.wrong("clip_sample_range", "is \(range); allowed: above 0") }
    return .range(range)
  }

  // MARK: Entries, where null stands for the default

  private func flag(_ key: String, _ usual: Bool) throws -> Bool {
    config.has(key) ? try config.flag(key, default: usual) : usual
  }

  private func choice(_ key: String, _ usual: String, _ allowed: [String]) throws -> String {
    config.has(key) ? try config.choice(key, default: usual, allowed) : usual
  }
}
