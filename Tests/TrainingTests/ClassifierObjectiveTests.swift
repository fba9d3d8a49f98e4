// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Glibc
import Models
import Networks
import Processes
import Scores
import Testing
import Training

/// The classifier of noised rows, trained on a mixture whose classes' probabilities are known.
@Suite("Classifiers of noised rows") struct ClassifierObjectiveTests {
  @Test("its loss falls to the conditional entropy, and its gradient is that of the exact probabilities")
  func mixture() throws {
    let mixture = try GaussianMixture(weights: [0.4, 0.6], means: [[-1, 0.2], [0.8, -0.3]], deviations: [0.6, 0.8])
    let data = MixtureData(mixture, classes: [0, 1], count: 8000, heldOut: 10)
    let dataset = try data.load(seed: 1)
    let process = PreparedProcess(VPSDE())
    let kernel = try #require(process.scalarKernel)
    let initial = NoisyClassifier(
      dimension: 2, classes: 2, hidden: [32, 32], kernel: kernel, dataDeviation: 1, seed: 1)
    let plan = TrainingPlan(steps: 1500, learningRate: 5e-3, noiseLevels: .logNormal, logMean: 0, logDeviation: 1.5)
    let times = TrainingTimes(plan, kernel: kernel, duration: 1)
    let trainer = Trainer(
      ClassifierObjective(initial, times: times), data: dataset.source, conditions: dataset.trainingConditions,
      plan: plan, seed: 1, threads: 2)
    var state = trainer.initialState()
    var (first, last) = (0.0, 0.0)
    try trainer.run(&state) { step in
      if step.number == 1 { first = step.loss }
      if step.number > 1000 { last += step.loss / 500 }
      return true
    }
    // The network begins by knowing nothing: ln 2.
    #expect(abs(first - log(2)) < 0.05)
    // Against the exact score of each class, and of all.
    let law = DataLaw(mixture, classes: [0, 1])
    let classifier = NoisyClassifier(
      dimension: 2, classes: 2, hidden: [32, 32], parameters: state.averages, kernel: kernel, dataDeviation: 1, seed: 1)
    for (k, t) in [0.1, 0.25, 0.5].enumerated() {
      var x = Batch(count: 400, dimension: 2)
      let (m, v) = (kernel.moments(at: t).scale, kernel.moments(at: t).variance)
      let z = NoiseStream(seed: 2, purpose: .lossNoise).normals(count: 400, dimension: 2, step: k)
      for i in x.values.indices { x.values[i] = m * dataset.training.values[i] + v.squareRoot() * z.values[i] }
      let labels = Conditions.inTurn(classes: 2)
      let with = try #require(process.exactScore(of: law, given: labels))
      let whole = try #require(process.exactScore(of: law))
      var sums = (error: 0.0, size: 0.0)
      try x.withRows { x in
        try RowStorage.with(x.span, count: 3) { rows in
          try with.makeEvaluator(for: x.span).evaluate(x, at: .all(t), into: rows[0])
          try whole.makeEvaluator(for: x.span).evaluate(x, at: .all(t), into: rows[1])
          try classifier.gradient(given: labels).makeEvaluator(for: x.span).evaluate(x, at: .all(t), into: rows[2])
          for i in 0..<x.size {
            let exact = rows[0].values[i] - rows[1].values[i]
            sums.size += exact * exact
            sums.error += (rows[2].values[i] - exact) * (rows[2].values[i] - exact)
          }
        }
      }
      // 8,000 rows and 1,500 steps: a ninth of the gradient's mean square where there is little noise, and less
      // elsewhere.
      #expect(sums.error < 0.2 * sums.size, "\(t): \(sums)")
    }
    // The mean loss over all noise levels lies between that without noise and ln 2.
    #expect(last > 0.1 && last < 0.6, "\(last)")
  }
}
