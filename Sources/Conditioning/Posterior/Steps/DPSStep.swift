// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// Diffusion posterior sampling as its paper steps (Chung et al. 2023, algorithm 1): a step of ancestral sampling, or
/// DDIM's with any η, and then
///
///     x_s ← x_s − ζ ∇ₓ ‖y − h(x̂₀(x_t))‖,
///
/// whatever the length of the step and the noise of y. As a score it is −ζ (r/q) ∇ₓ ‖y − h(x̂₀)‖ with the r and q of
/// the forward transition x_t = r x_s + √q z, since a step adds q/r times the score: it depends on the grid, and what
/// it draws has no limit as steps become shorter. `DPS` is the form that has one.
public struct DPSStep: PosteriorStep {
  /// ζ
  public let scale: Double
  /// η
  public let eta: Double

  /// - Parameters:
  ///   - scale: ζ, above 0; the paper has 0.3 to 1.
  ///   - eta: η of the step, from 0 to 1, which is ancestral sampling.
  public init(scale: Double = 1, eta: Double = 1) {
    precondition(scale > 0 && (0...1).contains(eta))
    (self.scale, self.eta) = (scale, eta)
  }

  public func makeTerm(for observation: Observation, rows: RowSpan) throws -> any PosteriorStepTerm {
    let term = Term(self, observation, rows)
    guard term.hasExpectation else {
      throw InputError("needs an observation with an expected value h(x); this one only says how likely it is")
    }
    return term
  }

  final class Term: PosteriorStepTerm {
    private let method: DPSStep
    private let model: any ObservationEvaluator
    private let residual, back, gradient: RowStorage
    var usesProducts: Bool { true }

    init(_ method: DPSStep, _ observation: Observation, _ rows: RowSpan) {
      self.method = method
      model = observation.model.makeEvaluator(for: rows)
      residual = RowStorage(rows.with(dimension: observation.model.observedDimension))
      (back, gradient) = (RowStorage(rows), RowStorage(rows))
    }

    var hasExpectation: Bool { model.expect(back.rows, into: residual.rows) }

    func step(_ x: Rows, _ state: DenoisedState, noise: Rows, _ levels: StepLevels) throws {
      let (r, back, g) = (residual.view(like: x), back.view(like: x), gradient.view(like: x))
      _ = model.expect(state.mean, into: r)
      let y = state.y
      for row in 0..<x.count {
        var square = 0.0
        for j in 0..<r.dimension {
          r[row, j] = y[row, j] - r[row, j]
          square += r[row, j] * r[row, j]
        }
        // At a residual of 0 the norm has no gradient, and there is nothing to mend.
        let factor = square > 0 ? method.scale / square.squareRoot() : 0
        for j in 0..<r.dimension { r[row, j] *= factor }
      }
      model.pullback(r, into: back)
      try state.pullback(back, into: g)
      let added = levels.addedDeviation(eta: method.eta)
      let (b, a) = levels.coefficients(added: added)
      for i in 0..<x.size {
        x.values[i] = b * x.values[i] + a * state.mean.values[i] + added * noise.values[i] + g.values[i]
      }
    }
  }
}
