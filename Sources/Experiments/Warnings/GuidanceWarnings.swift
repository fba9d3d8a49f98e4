// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Processes

/// Guidance by the Jacobian of a network that makes too much of its errors.
struct GuidanceWarnings {
  let plan: ExperimentPlan

  /// σ/m at T from which on the errors of a network that predicts noise are a matter of x̂₀ = (x − σ ε)/m.
  private static let largestRatio = 10.0

  /// x̂₀ of a network that predicts data, velocity, or as EDM has it, is bounded where noise is large; that of one
  /// which predicts noise or scores has their errors times σ/m, and its Jacobian is no covariance there.
  var lines: [(key: String, text: String)] {
    guard plan.training != nil, let network = plan.score.network, network.recipe.pretrained == nil,
      network.prediction == .noise || network.prediction == .score,
      plan.sampling.guidances.contains(where: { $0?.needsProducts ?? false }),
      let end = plan.prepared.scalarKernel?.moments(at: plan.prepared.duration)
    else { return [] }
    let ratio = end.variance.squareRoot() / end.scale
    guard ratio > Self.largestRatio else { return [] }
    return [
      (
        "sampling",
        "the guidance takes the Jacobian of x̂₀, in which the errors of a network that predicts \(network.prediction.rawValue) "
          + "count σ/m = \(short(ratio)) times at T: samples may run away; remedy: score.prediction: edm, or a guidance "
          + "without Jacobian, as ddrm, daps or repaint"
      )
    ]
  }
}
