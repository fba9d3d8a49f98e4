// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Models
import Processes

/// What a network that comes with its weights asks of the process and of the score around it.
struct Pretraining {
  private let network: NetworkRecipe.Pretrained

  init(_ network: NetworkRecipe.Pretrained) { self.network = network }

  /// The process with the noise levels that the network was trained on.
  /// - Parameters:
  ///   - process: as the config names it.
  ///   - kind: its name there.
  ///   - prediction: what the config takes the output for.
  ///   - options: the whole config.
  /// - Throws: `InputError` for another process or another prediction than the network's, and for options of the
  /// process
  ///   that would have no effect.
  func adapted(
    _ process: any SDE, _ kind: String, _ prediction: Prediction, _ options: Options, _ catalogue: Catalogue
  ) throws -> any SDE {
    if let own = network.prediction, own != prediction {
      let reason =
        if case .exploding = network.levels {
          "the network's output is divided by σ, which only a score is"
        } else {
          "the network's scheduler says \(own.rawValue)"
        }
      throw options.wrong("score", "prediction is \(prediction.rawValue); \(reason); allowed: \(own.rawValue)")
    }
    switch network.levels {
    case .discrete(let schedule):
      guard process is VPSDE, kind == "vp" else {
        throw options.wrong(
          "process",
          "is \(kind); a diffusers network of discrete noise levels needs process vp, whose levels it sets; allowed: vp"
        )
      }
      try requireDefaults(kind, options, catalogue)
      return VPSDE(schedule)
    case .exploding(let schedule?):
      guard process is VESDE, kind == "ve" else {
        throw options.wrong(
          "process",
          "is \(kind); a diffusers network beside a ScoreSdeVeScheduler needs process ve, whose σ it sets; allowed: ve")
      }
      try requireDefaults(kind, options, catalogue)
      return VESDE(schedule)
    case .exploding(nil):
      guard process is any VarianceExploding else {
        throw options.wrong(
          "process",
          "is \(kind); a diffusers network with Fourier features is told σ and sees x as it is; "
            + "allowed: ve, edm")
      }
      return process
    }
  }

  /// Refuses options of the process, which the network's levels take the place of; earlier programs wrote out the
  /// defaults.
  private func requireDefaults(_ kind: String, _ options: Options, _ catalogue: Catalogue) throws {
    guard !options.isDescribing else { return }
    let standard = try Options.defaults(ofKind: kind, "process", catalogue.processes, catalogue)
    guard options.resolvedYAML(only: ["process"]) == standard || options.hasKindAlone("process") else {
      throw options.wrong(
        "process", "its options have no effect: the network's files say the noise levels; allowed: {kind: \(kind)}")
    }
    options.settleKindAlone("process")
  }
}

extension PreparedProcess {
  /// The time of the first noise level that a network with weights of its own was trained on; nil where the process has
  /// no levels but its own.
  var firstLevel: Double? {
    guard let levels = (sde as? VPSDE)?.schedule as? DiscreteBeta, levels.firstLevel > 0 else { return nil }
    return levels.firstLevel
  }
}
