// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Models
import Networks
import Processes
import Scores
import Tensors

extension Experiment {
  /// Writes the trained U-Net, with its averaged weights, as a folder that diffusers' `UNet2DModel` loads; with the
  /// scheduler's file beside it where the process is variance preserving.
  /// - Returns: a line for everything that such a folder has no place for.
  @discardableResult public func exportNetwork(to path: String) throws -> [String] {
    guard let recipe = plan.score.network, let network = plan.network as? any DiffusersExporting else {
      throw InputError("only a U-Net of this experiment can be saved for diffusers", at: "score")
    }
    let weights = try trainedWeights()
    // The scheduler's levels are those of a discrete, variance-preserving model.
    let schedule = network.noiseInput == .logNoiseToSignal ? nil : (plan.process as? any VariancePreserving)?.schedule
    let configs = try network.diffusersConfigs(schedule: schedule, prediction: recipe.prediction)
    do {
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    } catch {
      throw InputError("this folder cannot be made", at: path)
    }
    try network.diffusersWeights(weights).write(
      to: "\(path)/diffusion_pytorch_model.safetensors")
    if let scheduler = configs.scheduler {
      try AtomicFile.write(scheduler, to: "\(path)/scheduler_config.json")
    } else {
      unlink("\(path)/scheduler_config.json")
    }
    try AtomicFile.write(configs.model, to: "\(path)/config.json")
    var lost: [String] = []
    if !plan.model.coordinates.isEmpty {
      lost.append("coordinates: a diffusers folder has none; its samples are in coordinates, not in the data's units")
    }
    if plan.model.training?.conditionDropout ?? 0 > 0 {
      lost.append("training.condition_dropout: a diffusers folder has no embedding of nothing; the classes' are there")
    }
    return lost
  }
}
