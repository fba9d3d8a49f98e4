// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Foundation
import Models
import Networks
import Processes
import Scores
import Tensors
import Training

/// How the classifier of a guidance is made and trained. It is kept in the store of models beside other networks, and
/// trained once for the same data, process, seed and options.
struct ClassifierRecipe: Sendable {
  /// The widths of the hidden layers.
  let hidden: [Int]
  /// How many steps the training has, and how many rows a step.
  let steps, batch: Int
  let learningRate: Double

  init(_ options: Options) throws {
    hidden = try options.integers("hidden", default: [256, 256], atLeast: 1, "the widths of its hidden layers")
    steps = try options.integer("steps", default: 5000, atLeast: 1, "of its training")
    batch = try options.integer("batch", default: 256, atLeast: 1, atMost: 1_000_000, "rows of a step")
    learningRate = try options.number("learning_rate", default: 2e-3, in: .positive, "of AdamW, falling to 0")
  }

  /// What a trained one depends on.
  private func identity(_ problem: GuidanceProblem) -> TrainingIdentity {
    TrainingIdentity(
      problem.identity + "classifier:\n  hidden: [\(hidden.map(String.init).joined(separator: ", "))]\n"
        + "training:\n  steps: \(steps)\n  batch: \(batch)\n  learning_rate: \(written(learningRate))\n")
  }

  /// The classifier of the data of a problem: trained, or with initial weights while nothing is computed yet.
  func classifier(_ problem: GuidanceProblem) throws -> NoisyClassifier {
    let rows = problem.dataset.trainingRows
    let deviation = rows.deviation
    guard deviation > 0, deviation.isFinite else {
      throw InputError(
        "the classifier needs rows that differ; their deviation is \(deviation)", at: "sampling.guidance")
    }
    let kernel = try problem.requireKernel()
    func classifier(_ parameters: [Float]?) -> NoisyClassifier {
      NoisyClassifier(
        dimension: rows.dimension, classes: problem.data.conditionShape.classCount, hidden: hidden,
        parameters: parameters, kernel: kernel, dataDeviation: deviation, seed: problem.seed)
    }
    let initial = classifier(nil)
    if problem.isRehearsal { return initial }
    let identity = identity(problem)
    let finished = problem.store.finished(identity)
    func kept() throws -> [Float]? {
      try Team.current.numbers { checkpoint(finished, identity, initial, problem.store)?.state.averages }
    }
    if let kept = try kept() { return classifier(kept) }
    try problem.store.prepare(for: identity)
    let (lock, _) = try problem.store.lock(identity) { error in
      guard !problem.quiet else { return }
      StandardStreams.report(
        "score-sde: process \(error.process.map(String.init) ?? "?") trains this classifier now; waiting for it\n")
    }
    defer { lock?.release() }
    if let kept = try kept() { return classifier(kept) }
    return classifier(try train(initial, identity, problem))
  }

  /// What is kept of a training; nil where there is nothing that can be read. A damaged file is set aside.
  private func checkpoint(
    _ entry: ModelStore.Entry, _ identity: TrainingIdentity, _ classifier: NoisyClassifier, _ store: ModelStore
  ) -> Checkpoint? {
    guard entry.exists else { return nil }
    do {
      let file = try Safetensors(reading: entry.checkpoint)
      let checkpoint = try Checkpoint(file, layout: classifier.network.layout, path: entry.checkpoint)
      return checkpoint.config == identity.text ? checkpoint : nil
    } catch {
      StandardStreams.report(
        "score-sde: warning: \(entry.checkpoint): damaged: \(error); the classifier is trained anew\n")
      store.setAside(DamagedCheckpoint(path: entry.checkpoint, reason: "\(error)"))
      return nil
    }
  }

  /// Trains the classifier, from where a training stopped.
  /// - Throws: `ComputationError.interrupted` after a stop signal; what was trained is kept.
  private func train(
    _ classifier: NoisyClassifier, _ identity: TrainingIdentity, _ problem: GuidanceProblem
  ) throws -> [Float] {
    // Classes are told apart at noise levels near the data's own deviation.
    let plan = TrainingPlan(
      steps: steps, batch: batch, learningRate: learningRate, optimiser: .adamw, weightDecay: 0.01,
      noiseLevels: .logNormal, logMean: log(classifier.dataDeviation), logDeviation: 1.5,
      epsilon: 1e-5 * problem.process.duration)
    let objective = ClassifierObjective(
      classifier, times: TrainingTimes(plan, kernel: classifier.kernel, duration: problem.process.duration))
    let trainer = Trainer(
      objective, data: problem.dataset.source, conditions: problem.dataset.trainingConditions, plan: plan,
      seed: problem.seed, threads: problem.threads)
    let (unfinished, ranks) = (problem.store.unfinished(identity), Team.current)
    var state = trainer.initialState()
    if ranks.isRoot, let kept = checkpoint(unfinished, identity, classifier, problem.store) { state = kept.state }
    state.synchronise(ranks)
    func keep(_ entry: ModelStore.Entry) throws {
      let checkpoint = Checkpoint(
        state: state, config: identity.text, dataDeviation: classifier.dataDeviation,
        classes: problem.data.occurringClasses)
      try checkpoint.writer(layout: classifier.network.layout).write(to: entry.checkpoint)
    }
    let bar = ProgressBar("train the classifier", total: steps, before: state.step, quiet: problem.quiet)
    defer { bar.finish() }
    let (stop, interval) = (StopSignals.Listener(), CheckpointInterval())
    while state.step < steps {
      let start = (time: ContinuousClock().now, step: state.step)
      try trainer.run(&state) { step in
        bar.show(step.number, loss: "loss \(ConciseNumber.text(step.loss))", speed: "")
        return !stop.isAsked && !interval.isDue(since: start.time, steps: step.number - start.step)
      }
      if state.step < steps { try ranks.onRoot { try keep(unfinished) } }
      if ranks.decided({ stop.isAsked }), state.step < steps {
        throw ComputationError.interrupted(step: state.step, of: steps)
      }
    }
    try ranks.onRoot {
      try keep(problem.store.finished(identity))
      unfinished.remove()
    }
    return state.averages
  }
}
