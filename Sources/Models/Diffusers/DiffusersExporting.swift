// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import Networks
import Processes

/// A network that can be saved for diffusers to load.
public protocol DiffusersExporting: Network {
  /// config.json and scheduler_config.json.
  /// - Parameters:
  ///   - schedule: of the process that the network was trained for, where it has noise levels of diffusers' kind.
  ///   - prediction: what the network's output stands for.
  /// - Throws: `InputError` for a network that diffusers has no words for.
  func diffusersConfigs(schedule: (any BetaSchedule)?, prediction: Prediction) throws -> (
    model: Data, scheduler: Data?
  )

  /// The tensors of the network with these parameters.
  func diffusersWeights(_ parameters: [Float]) -> SafetensorsWriter
}

extension UNet: DiffusersExporting {
  public func diffusersConfigs(schedule: (any BetaSchedule)?, prediction: Prediction) throws -> (
    model: Data, scheduler: Data?
  ) {
    try DiffusersFolder.configs(of: self, schedule: schedule, prediction: prediction)
  }

  public func diffusersWeights(_ parameters: [Float]) -> SafetensorsWriter {
    DiffusersFolder.weights(of: self, parameters: parameters)
  }
}
