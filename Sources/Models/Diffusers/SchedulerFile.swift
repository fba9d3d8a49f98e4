// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Networks
import Processes

/// A scheduler_config.json: which noise levels the network beside it was trained on, and what its output stands for.
/// How the scheduler itself would sample is no part of the network; such entries are told, and not followed.
package struct SchedulerFile {
  package enum Levels: Sendable {
    case discrete(DiscreteBeta)
    case exploding(GeometricSigma)
  }

  package let levels: Levels
  package let prediction: Prediction
  /// The scheduler's class.
  package let name: String
  /// What was understood and is not followed, a line each.
  package let notes: [String]

  /// - Parameters:
  ///   - config: the file.
  ///   - pipeline: the class that model_index.json names, where there is one.
  /// - Throws: `InputError` at the file for every entry that is neither followed nor without effect on the network.
  package init(_ config: JSONFile, pipelineSays pipeline: String?) throws {
    var notes: [String] = []
    let name = try config.text("_class_name", default: pipeline ?? "DDPMScheduler")
    if let pipeline, pipeline != name {
      throw config.wrong("_class_name", "is '\(name)'; model_index.json says '\(pipeline)'; allowed: the same class")
    }
    if !config.has("_class_name"), pipeline == nil {
      notes.append("\(config.path): names no _class_name; taken for a DDPMScheduler")
    }
    guard let kind = SchedulerClass.named(name) else {
      let reason = SchedulerClass.refusal(of: name).map { ", a scheduler \($0)" } ?? ""
      throw config.wrong("_class_name", "is '\(name)'\(reason); allowed: \(SchedulerClass.allowed)")
    }
    self.name = name
    switch kind.family {
    case .discrete(let defaults):
      prediction = try Self.prediction(config, defaults, name)
      levels = .discrete(try Self.levels(config, defaults, name, prediction))
    case .exploding:
      if config.has("prediction_type") {
        throw config.wrong("prediction_type", "is \(config.brief("prediction_type")); \(name) has none")
      }
      prediction = .score
      let low = try config.number("sigma_min", default: 0.01)
      let high = try config.number("sigma_max", default: 1348)
      guard low > 0 else { throw config.wrong("sigma_min", "is \(low); allowed: above 0") }
      guard high > low else { throw config.wrong("sigma_max", "is \(high); allowed: above sigma_min, which is \(low)") }
      levels = .exploding(GeometricSigma(low, high))
    }
    if let told = Self.samplingEntries(config, isDiscrete: name != "ScoreSdeVeScheduler") { notes.append(told) }
    try config.finish(
      allowed: "num_train_timesteps, beta_start, beta_end, beta_schedule, trained_betas, prediction_type, "
        + "rescale_betas_zero_snr, sigma_min, sigma_max and the sampling entries of diffusers' schedulers")
    self.notes = notes
  }

  // MARK: Noise levels

  private static func prediction(
    _ config: JSONFile, _ defaults: SchedulerClass.Discrete, _ name: String
  ) throws -> Prediction {
    switch try config.choice("prediction_type", default: "epsilon", defaults.predictions) {
    case "epsilon": .noise
    case "v_prediction": .velocity
    default: .data
    }
  }

  private static func levels(
    _ config: JSONFile, _ defaults: SchedulerClass.Discrete, _ name: String, _ prediction: Prediction
  ) throws -> DiscreteBeta {
    if config.has("timestep_type") { _ = try config.choice("timestep_type", default: "discrete", ["discrete"]) }
    if try config.flag("use_flow_sigmas", default: false) {
      throw config.wrong("use_flow_sigmas", "is true; allowed: false, as flows are not read")
    }
    // Where the variance is learned, the network has a second half of channels for it.
    if config.has("variance_type") {
      _ = try config.choice(
        "variance_type", default: "fixed_small", ["fixed_small", "fixed_small_log", "fixed_large", "fixed_large_log"])
    }
    let count = try config.integer("num_train_timesteps", default: 1000)
    guard (1...1_000_000).contains(count) else {
      throw config.wrong("num_train_timesteps", "is \(count); allowed: 1 to 1000000")
    }
    do {
      let levels = try betas(config, defaults, count)
      guard try config.flag("rescale_betas_zero_snr", default: false) else { return levels }
      guard defaults.rescales else {
        throw config.wrong("rescale_betas_zero_snr", "is true; \(name) has no such entry, and would not follow it")
      }
      guard prediction != .noise else {
        throw config.wrong(
          "rescale_betas_zero_snr",
          "is true with prediction_type epsilon: the last level is noise alone, which tells nothing of the data; "
            + "allowed: v_prediction, sample")
      }
      guard count > 1 else { throw config.wrong("rescale_betas_zero_snr", "is true for one level; allowed: false") }
      return levels.withZeroTerminalSignal()
    } catch let error as InputError {
      throw error.location.isEmpty ? InputError(error.message, at: config.path) : error
    }
  }

  private static func betas(
    _ config: JSONFile, _ defaults: SchedulerClass.Discrete, _ count: Int
  ) throws -> DiscreteBeta {
    if config.has("trained_betas") {
      let betas = try config.numbers("trained_betas")
      guard betas.count == count else {
        throw config.wrong("trained_betas", "has \(betas.count) values for \(count) levels")
      }
      // The numbers stand for these, as in diffusers.
      config.pass(["beta_start", "beta_end", "beta_schedule"])
      return try DiscreteBeta(betas: betas)
    }
    let first = try config.number("beta_start", default: defaults.first)
    let last = try config.number("beta_end", default: defaults.last)
    switch try config.choice("beta_schedule", default: "linear", defaults.schedules) {
    case "linear": return try .linear(first, last, levels: count)
    case "scaled_linear":
      guard first > 0, last > 0 else { throw InputError("beta_start and beta_end are not above 0") }
      return try .scaledLinear(first, last, levels: count)
    case "sigmoid": return try .sigmoid(first, last, levels: count)
    case "exp": return try .capped(levels: count) { exp(-12 * $0) }
    case "laplace":
      return try .capped(levels: count) { t in
        let size = exp(-0.5 * (t <= 0.5 ? 1 : -1) * log(1 - 2 * abs(0.5 - t) + 1e-6))
        return (size / (1 + size)).squareRoot()
      }
    default: return try .cosine(levels: count)
    }
  }

  // MARK: Sampling

  /// Entries that say how a scheduler samples, and not what the network is.
  private static let sampling = [
    "clip_sample", "clip_sample_range", "thresholding", "dynamic_thresholding_ratio", "sample_max_value",
    "variance_type", "timestep_spacing", "steps_offset", "set_alpha_to_one", "skip_prk_steps", "use_karras_sigmas",
    "use_exponential_sigmas", "use_beta_sigmas", "use_lu_lambdas", "solver_order", "algorithm_type", "solver_type",
    "lower_order_final", "euler_at_final", "lambda_min_clipped", "final_sigmas_type", "interpolation_type",
    "predict_x0", "disable_corrector", "solver_p", "predictor_order", "corrector_order", "tau_func", "eta",
    "noise_sampler_seed", "timestep_values", "snr", "correct_steps", "sampling_eps",
  ]

  /// Entries that have no effect in diffusers either: who wrote the file, and what belongs to flows alone.
  private static let without = [
    "_class_name", "_diffusers_version", "_name_or_path", "_use_default_values", "_commit_hash", "tensor_format",
    "flow_shift", "use_dynamic_shifting", "time_shift_type", "shift_terminal",
  ]

  /// One line for all entries about sampling that ask for something.
  private static func samplingEntries(_ config: JSONFile, isDiscrete: Bool) -> String? {
    config.pass(without)
    config.pass(sampling)
    // Under a discrete scheduler σ's range only cuts its sampling; elsewhere N only counts its steps.
    var names = sampling + (isDiscrete ? ["sigma_min", "sigma_max"] : ["num_train_timesteps"])
    let parts = [
      ("thresholding", ["dynamic_thresholding_ratio", "sample_max_value"]), ("clip_sample", ["clip_sample_range"]),
    ]
    for (whole, parts) in parts where !config.isSet(whole) { names.removeAll(where: parts.contains) }
    let told = names.filter { config.isSet($0) && config.brief($0) != "0" && config.brief($0) != "[]" }
    guard !told.isEmpty else { return nil }
    let list = told.map { "\($0) \(config.brief($0))" }.joined(separator: ", ")
    return "\(config.path): \(list): sampling settings, which are not followed; the config's `sampling` decides"
  }
}
