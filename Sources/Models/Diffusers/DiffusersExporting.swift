// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import Networks
import Processes

/// Noise levels that diffusers has a scheduler for.
public enum DiffusersLevels: Sendable {
  /// The levels of a variance-preserving process, at N equal steps of its time.
  case discrete(any BetaSchedule)
  /// The levels of a variance-exploding process.
  case exploding(GeometricSigma)
}

/// The JSON files of a pipeline.
public struct DiffusersConfigs: Sendable {
  /// unet/config.json
  public let model: Data
  /// scheduler/scheduler_config.json and model_index.json; nil where diffusers has no scheduler of the process.
  public let scheduler: (config: Data, index: Data)?
}

/// A network that can be saved for diffusers to load.
public protocol DiffusersExporting: Network {
  /// The files of a pipeline around the network.
  /// - Parameters:
  ///   - levels: of the process that the network was trained for, where it has noise levels of diffusers' kind.
  ///   - prediction: what the network's output stands for.
  /// - Throws: `InputError` for a network that diffusers has no words for.
  func diffusersConfigs(levels: DiffusersLevels?, prediction: Prediction) throws -> DiffusersConfigs

  /// The tensors of the network with these parameters.
  func diffusersWeights(_ parameters: [Float]) -> SafetensorsWriter
}

extension UNet: DiffusersExporting {
  public func diffusersConfigs(levels: DiffusersLevels?, prediction: Prediction) throws -> DiffusersConfigs {
    try DiffusersFolder.configs(of: self, levels: levels, prediction: prediction)
  }

  public func diffusersWeights(_ parameters: [Float]) -> SafetensorsWriter {
    DiffusersFolder.weights(of: self, parameters: parameters)
  }
}
