// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core

/// Where within a step something is taken: at its start for 0, at its end for 1.
struct StepNode: Sendable, Equatable {
  private let share: Double

  /// A share that rounding leaves beside 1 is the step's end.
  init(_ share: Double) { self.share = abs(share - 1) < 1e-14 ? 1 : share }

  func time(in step: Step) -> Double {
    share == 0 ? step.from : share == 1 ? step.to : step.from - share * step.length
  }
}

extension Rows {
  /// Writes base + factor Σ_j weights_j terms_j. The base may be these rows, and there may be more terms than weights.
  func set(_ base: Rows, _ factor: Double, _ weights: [Double], _ terms: [Rows]) {
    var isWritten = base.values == values
    for (j, weight) in weights.enumerated() where weight != 0 {
      if isWritten {
        ck_add_scaled(values, terms[j].values, factor * weight, size)
      } else {
        ck_combine(values, 1, base.values, factor * weight, terms[j].values, size)
        isWritten = true
      }
    }
    if !isWritten { copy(base) }
  }
}
