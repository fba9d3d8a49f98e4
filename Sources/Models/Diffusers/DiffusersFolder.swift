// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Networks
import Processes
import Tensors

/// A `UNet2DModel` or `UNet2DConditionModel` as diffusers saves it: config.json, weights in safetensors and, of a
/// pipeline, scheduler_config.json. The folder may be the model's own, a pipeline's with `unet` and `scheduler` in it,
/// or a checkpoint of diffusers' training scripts with `unet` and `unet_ema`.
///
/// Every entry of the two configs is followed, refused by name, or told in `notes`.
public struct DiffusersFolder: Sendable {
  /// A network that begins with the folder's weights; without them where they are stored.
  public let network: UNet
  /// The same network with its weights as the files have them, where they are stored.
  public let stored: StoredNetwork?
  /// The noise levels that it was trained on, where it counts them.
  public let schedule: DiscreteBeta
  /// σ from σ_min to σ_max, of a network that is told σ and has a scheduler that says so.
  public let sigmas: GeometricSigma?
  /// What its output stands for; nil where nothing says so.
  public let prediction: Prediction?
  /// A checksum of the parameters.
  public let fingerprint: String
  /// What was chosen, taken for granted or left out, a line each.
  public let notes: [String]

  /// - Parameters:
  ///   - path: the folder.
  ///   - subfolder: of the network in it; nil: the folder itself, `unet`, or `unet_ema`, whichever is there.
  ///   - variant: of the weights, such as `fp16`; nil: none, or the only one there.
  ///   - winograd: whether 3 × 3 convolutions may use Winograd's filtering.
  ///   - size: of the images, in pixels; nil: what config.json says.
  ///   - tokens: how many tokens a context has.
  ///   - isStored: whether the weights stay as the files have them, for a network that is not trained: 16-bit ones
  ///     become floats when they are used, or at once where all floats together take less than 1 GiB.
  ///   - adapters: changes of low rank that are added to the weights, and how much of them; nil: none.
  /// - Throws: `InputError` at the file for what is missing, damaged, ambiguous or of an unknown kind.
  public init(
    _ path: String, subfolder: String? = nil, variant: String? = nil, winograd: Bool = true,
    size: (height: Int, width: Int)? = nil, tokens: Int = 77, stored isStored: Bool = false,
    adapters: (file: LowRankFile, weight: Double)? = nil
  ) throws {
    let places = try DiffusersPlaces(path, subfolder: subfolder)
    let config = try JSONFile(
      "\(places.model)/config.json", missing: "no such file; a folder saved by diffusers has it")
    var notes = places.notes
    var architecture = try Self.architecture(config, size: size, tokens: tokens)
    let schedulerFile = try places.scheduler.map { try JSONFile($0, missing: "no such file") }
    let scheduler = try schedulerFile.map { try SchedulerFile($0, pipelineSays: places.schedulerClass) }
    notes += scheduler?.notes ?? []

    switch (architecture.time, scheduler?.levels) {
    case (.positional, .discrete(let levels)):
      (schedule, sigmas, prediction) = (levels.asModelLevels(), nil, scheduler?.prediction)
    case (.positional, nil):
      (schedule, sigmas, prediction) = (try DiscreteBeta.linear(1e-4, 0.02, levels: 1000).asModelLevels(), nil, nil)
      notes.append(
        "\(path): no scheduler_config.json; taken for DDPM's 1000 noise levels with β from 1e-4 to 0.02")
    case (.fourier, .exploding(let levels)):
      (schedule, sigmas, prediction) = (try .linear(1e-4, 0.02, levels: 1000), levels, .score)
    case (.fourier, nil):
      // diffusers divides the output of such a network by σ, which only a score is.
      (schedule, sigmas, prediction) = (try .linear(1e-4, 0.02, levels: 1000), nil, .score)
    case (.positional, .exploding), (.fourier, .discrete):
      let isFourier = if case .fourier = architecture.time { true } else { false }
      throw InputError(
        "'_class_name' is '\(scheduler?.name ?? "")', beside a network that is told \(isFourier ? "σ" : "a level's number"); "
          + "allowed: \(isFourier ? "ScoreSdeVeScheduler" : "schedulers of DDPM's discrete noise levels")",
        at: places.scheduler ?? path)
    }

    var weights = try DiffusersWeights(in: places.model, variant: variant)
    var known: Set<String> = []
    if case .fourier(_, let divides) = architecture.time {
      let count = architecture.down[0].channels
      guard let frequencies = weights.file.tensors["time_proj.weight"], frequencies.shape == [count] else {
        throw InputError("lacks time_proj.weight of \(count) values", at: weights.path)
      }
      architecture.time = .fourier(frequencies: try frequencies.values, dividesOutput: divides)
      known.insert("time_proj.weight")
    }
    do {
      let network = try UNet(architecture, winograd: winograd, levels: schedule.levels)
      known.formUnion(network.layout.entries.flatMap { $0.parts.map(\.name) })
      try weights.keep(only: known)
      if let adapters { try adapters.file.add(to: &weights.file.tensors, of: .unet, times: adapters.weight) }
      var checksum = Checksum()
      var isFinite: Bool
      if isStored {
        let values = try weights.file.stored(
          layout: network.layout, prefix: "", widened: 4 * network.layout.count < 1 << 30)
        isFinite = values.isFinite
        values.add(to: &checksum)
        (self.network, self.stored) = (network, StoredNetwork(network, parameters: values))
      } else {
        let values = try weights.file.values(layout: network.layout, prefix: "")
        isFinite = values.allSatisfy(\.isFinite)
        for value in values { checksum.add(word: UInt64(value.bitPattern)) }
        (self.network, self.stored) = (try network.beginning(with: values), nil)
      }
      if case .fourier(let frequencies, _) = architecture.time {
        for value in frequencies { checksum.add(word: UInt64(value.bitPattern)) }
        isFinite = isFinite && frequencies.allSatisfy(\.isFinite)
      }
      guard isFinite else {
        let name = known.sorted().first { name in
          (try? weights.file.tensors[name]?.values)?.allSatisfy(\.isFinite) == false
        }
        throw InputError("'\(name ?? "?")' holds a number that is not finite")
      }
      checksum.add(config.bytes + (schedulerFile?.bytes ?? Data()))
      fingerprint = checksum.text
    } catch let error as InputError {
      throw error.location.isEmpty ? InputError(error.message, at: weights.path) : error
    }
    self.notes = notes + weights.notes
  }
}
