import Glibc
// SPDX-License-Identifier: GPL-3.0-or-later
import Networks
import Processes
import Tensors

/// A score that is a network read by the conventions of a process: what training makes.
public protocol LearnedScore: Score {
  var network: any Network { get }
  /// How much noise there is at each time, for the network's label.
  var noise: any PerturbationKernel { get }
  /// T
  var duration: Double { get }
  /// σ_d, where conventions ask for it; else 1.
  var dataDeviation: Double { get }

  /// The same score with other parameters, or other classes.
  func with(parameters: [Float]?, classes: RowClasses?) -> Self
}

extension LearnedScore {
  public func with(parameters: [Float]) -> Self { with(parameters: parameters, classes: nil) }

  /// What the network is told about the noise level at time t.
  public func noiseLevel(_ moments: Moments, at t: Double) -> Double {
    switch network.noiseInput {
    case .time: 1000 * t / duration
    case .logNoiseToSignal: log(moments.deviation / moments.scale)
    case .discrete(let levels): Double(levels) * t / duration - 1
    }
  }
}
