// SPDX-License-Identifier: GPL-3.0-or-later
import ScoreSDE

/// A corrector: x ← x + h s/(1 + √h ‖s‖) + √(2h) z with h = size · σ², Langevin steps whose drift no score can make
/// long (after Hutzenthaler, Jentzen and Kloeden 2012).
struct TamedLangevin: Corrector {
  let size: Double
  var requires: Requirements { .kernel }

  func makeStepper(in context: SolveContext) throws -> any CorrectorStepper {
    Stepper(size, try context.problem.requireKernel(for: "tamed-langevin"), context)
  }

  final class Stepper: CorrectorStepper {
    private let size: Double
    private let kernel: any PerturbationKernel
    private let evaluator: CountingEvaluator
    private let stream: NoiseStream
    private let score, noise: Rows

    init(_ size: Double, _ kernel: any PerturbationKernel, _ context: SolveContext) {
      (self.size, self.kernel) = (size, kernel)
      evaluator = context.score
      // Numbers follow from seed, purpose, row and step alone: the same for any number of threads.
      stream = NoiseStream(seed: context.problem.seed, purpose: .corrector)
      (score, noise) = (context.makeRows(), context.makeRows())
    }

    func correct(_ x: Rows, _ step: Step) throws {
      try evaluator.evaluate(x, at: .all(step.from), into: score)
      stream.normals(into: noise, step: step.index)
      let h = size * kernel.moments(at: step.from).variance
      for row in 0..<x.count {
        var square = 0.0
        for j in 0..<x.dimension { square += score[row, j] * score[row, j] }
        let tamed = h / (1 + (h * square).squareRoot())
        for j in 0..<x.dimension { x[row, j] += tamed * score[row, j] + (2 * h).squareRoot() * noise[row, j] }
      }
    }
  }
}

extension Kind<any Corrector> {
  static let tamedLangevin = Kind("tamed-langevin", "Langevin steps whose drift is at most 1") { options, _ in
    TamedLangevin(size: try options.number("size", default: 0.1, in: .between(0, 1), "of a step, over σ²"))
  }
}
