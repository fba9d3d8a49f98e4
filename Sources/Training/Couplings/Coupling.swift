// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets

/// Which end of a path at T, x_T, goes with which row of data x₀.
public enum Coupling: Sendable, Equatable {
  /// Any: the two are independent.
  case independent
  /// Those of a batch by the plan of least mean ‖x_T − x₀‖² (Tong et al. 2024, OT-CFM; Pooladian et al. 2023).
  case minibatchOT
  /// Those of a batch by the plan that the reference process of a Schrödinger bridge asks for ([SF]²M, Tong et al.
  /// 2024b).
  case minibatchEntropic
  /// Row i of the ends with item i of the data.
  case pairs
}

/// What the ends of paths at T are drawn from.
public enum PathEnds: Sendable {
  /// The prior N(0, σ(T)²).
  case prior
  /// Rows as they are, in the coordinates that the model sees.
  case rows(any TrainingSource)
}

extension Purpose {
  /// Which rows of a source a training step takes.
  package static let sourceRow = Purpose(rawValue: 80)
  /// Which partner a row has in an entropic plan.
  static let partner = Purpose(rawValue: 81)
  /// The noise γ(t) z of a stochastic interpolant.
  package static let interpolantNoise = Purpose(rawValue: 82)
}
