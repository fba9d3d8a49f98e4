// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Foundation
import Models
import Networks
import Processes
import Scores
import Solvers
import Tensors
import Training

/// An experiment at work: its data, its score, and the network's state.
struct Session {
  let experiment: Experiment
  let dataset: Dataset
  /// The score to sample with; of a network that is still to be trained, with initial weights.
  private(set) var score: any Score
  /// A training of this very experiment, finished or not, found in the folder.
  private var state: TrainingState?
  private let trainer: Trainer?
  /// Where the score is a network of this experiment.
  private var problem: LearningProblem?

  private var plan: ExperimentPlan { experiment.plan }

  init(_ experiment: Experiment, dataset: Dataset) throws {
    self.experiment = experiment
    self.dataset = dataset
    let plan = experiment.plan
    switch plan.score {
    case .exact:
      let law = try plan.data.law.orThrow(InputError("exact scores need a mixture"))
      score = try plan.process.score(of: law).orThrow(InputError("the process knows no exact score of the data"))
      trainer = nil
    case .empirical:
      let law = DataLaw(GaussianMixture(points: dataset.training))
      score = try plan.process.score(of: law).orThrow(
        InputError("the process knows no exact score of a set of points, or not of these", at: "score"))
      trainer = nil
    case .checkpoint(let path):
      score = try Self.score(fromCheckpoint: path, plan: plan, data: dataset.training, experiment.catalogue)
      trainer = nil
    case .network(let prediction, let deviation, _):
      guard let network = plan.network else { throw InputError("there is no network", at: "score") }
      let problem = LearningProblem(plan.process, objective: plan.training?.objective ?? .denoising, seed: plan.seed)
      let data = try problem.coordinates(dataset.training)
      let initial = try problem.score(
        network, parameters: network.initialParameters(seed: plan.seed), prediction,
        dataDeviation: try Self.dataDeviation(deviation, prediction, plan.training, data),
        classes: plan.sampling.classes, data: dataset.training)
      self.problem = problem
      score = problem.outer(initial)
      guard let training = plan.training else {
        trainer = nil
        return
      }
      trainer = try problem.trainer(initial, dataset, training, threads: experiment.threads)
      let path = "\(experiment.folder)/checkpoint.safetensors"
      if FileManager.default.fileExists(atPath: path) {
        let file = try Safetensors(reading: path)
        if try Checkpoint.config(of: file, path: path) == plan.trainingIdentity {
          let checkpoint = try Checkpoint(file, layout: network.layout, path: path)
          state = checkpoint.state
          score = problem.outer(initial.with(parameters: checkpoint.state.averages))
        }
      }
    }
  }

  /// The process's kind, as the config names it.
  var processName: String { experiment.plan.processKind }

  /// σ_d as given or of the data; 1 where nothing asks for it. The same data gives the same number.
  private static func dataDeviation(
    _ given: Double?, _ prediction: Prediction, _ training: TrainingPlan?, _ data: Batch
  ) throws -> Double {
    if let given { return given }
    guard prediction == .edm || training?.weighting == .edm else { return 1 }
    let deviation = data.deviation
    guard deviation > 0, deviation.isFinite else {
      throw InputError("edm needs data with a standard deviation above 0; it is \(deviation). Give score.sigma_data")
    }
    return deviation
  }

  /// - Throws: `InputError` where a network is to be used that nobody trained.
  func requireCheckpoint() throws {
    guard let trainer else { return }
    guard let state, state.step >= trainer.plan.steps else {
      throw InputError(
        "no network trained for this config; `train` or `run` makes it",
        at: "\(experiment.folder)/checkpoint.safetensors")
    }
  }

  // MARK: Training

  /// Returns whether a trained network was found and used again. A training that was interrupted goes on where it stopped.
  /// - Throws: `ComputationError.interrupted` after a stop signal; what was trained is kept.
  mutating func train(into folder: ResultsFolder) throws -> Bool {
    guard let trainer else { return false }
    if let state, state.step >= trainer.plan.steps {
      if !folder.exists("loss_by_time.csv") { try writeLosses(trainer, state, folder) }
      return true
    }
    // What was made with another network is no longer true.
    folder.remove("loss_by_time.csv")
    folder.remove("solvers.csv")
    var state = self.state ?? trainer.initialState()
    var log = TrainingLog(
      every: max(1, trainer.plan.steps / 200), batch: trainer.plan.batch,
      unit: plan.data.imageShape == nil ? "rows" : "images",
      before: state.step > 0 ? folder.text("training.csv") : nil, step: state.step)
    let bar = ProgressBar("train \(plan.name)", total: trainer.plan.steps, quiet: experiment.quiet)
    let stop = StopSignals.Listener()
    var saved = ContinuousClock().now
    func save(_ state: TrainingState) throws {
      try folder.write(log.csv, to: "training.csv")
      let checkpoint = Checkpoint(
        state: state, config: plan.trainingIdentity, dataDeviation: trainer.score.dataDeviation)
      try checkpoint.writer(layout: trainer.score.network.layout).write(to: folder.file("checkpoint.safetensors"))
    }
    do {
      while state.step < trainer.plan.steps && !stop.isAsked {
        try trainer.run(&state) { step in
          log.add(step)
          bar.show(step.number, note: log.note)
          // Every ten minutes the training is kept, in case the machine does not.
          return !stop.isAsked && saved.duration(to: ContinuousClock().now) < .seconds(600)
        }
        if state.step < trainer.plan.steps && !stop.isAsked {
          try save(state)
          saved = ContinuousClock().now
        }
      }
    } catch {
      bar.finish()
      try folder.write(log.csv, to: "training.csv")
      throw error
    }
    bar.finish()
    try save(state)
    self.state = state
    if stop.isAsked {
      throw ComputationError.interrupted(step: state.step, of: trainer.plan.steps)
    }
    let trained = trainer.score.with(parameters: state.averages)
    score = problem?.outer(trained) ?? trained
    try writeLosses(trainer, state, folder)
    return false
  }

  private func writeLosses(_ trainer: Trainer, _ state: TrainingState, _ folder: ResultsFolder) throws {
    let trained = trainer.score.with(parameters: state.averages)
    guard let problem, let process = problem.process as? any LinearSDE else { return }
    let text = try lossByTime(trained, problem, process, epsilon: trainer.plan.epsilon)
    try folder.write(text, to: "loss_by_time.csv")
  }

  private func lossByTime(
    _ score: any LearnedScore, _ problem: LearningProblem, _ process: any LinearSDE, epsilon: Double
  ) throws -> String {
    // Fewer where a row is dear: image networks take few rows at a time.
    let draws = min(1024, 16 * score.shardRows)
    let exact = problem.exactScore(of: plan.data.law)
    // A network that is conditioned on classes is told those of the rows that are drawn.
    func losses(_ data: Batch, _ labels: [Int]?) throws -> LossByTime {
      let classes = labels.map { labels in
        RowClasses.each((0..<draws * 20).map { labels[LossByTime.dataRow($0 % draws, of: data.count)] })
      }
      return try LossByTime(
        of: score.with(parameters: nil, classes: classes), process: process, exact: exact,
        data: problem.coordinates(data), from: epsilon, seed: plan.seed, bins: 20, draws: draws,
        threads: experiment.threads)
    }
    let (training, heldOut) = try (
      losses(dataset.training, dataset.labels?.training), losses(dataset.heldOut, dataset.labels?.heldOut)
    )
    var text = "time_low,time_high,training,held_out\(exact == nil ? "" : ",excess")\n"
    for (seen, unseen) in zip(training.bins, heldOut.bins) {
      text += "\(seen.low),\(seen.high),\(seen.loss),\(unseen.loss)\(unseen.excess.map { ",\($0)" } ?? "")\n"
    }
    return text
  }

  // MARK: Sampling

  /// Draws with every solver; one that fails is reported, and the others go on.
  func sample(into folder: ResultsFolder, failures: inout [String]) throws -> SolverTable {
    var table = SolverTable(experiment: plan.name, process: processName, metrics: [])
    let sampling = plan.sampling
    let sampler = Sampler(
      process: plan.process, score: score, dimension: plan.data.dimension, seed: plan.seed, epsilon: sampling.epsilon,
      path: path(), grid: sampling.grid, threads: experiment.threads)
    folder.remove("trajectories.csv")
    var trajectories = Trajectories.header(dimension: plan.data.dimension)
    for named in sampling.solvers {
      for ending in ["strip.png", "animation.png", "trajectories.npy"] {
        folder.remove("samples/\(named.name)-\(ending)")
      }
      let shards = Shards(rows: sampling.count, size: score.shardRows).count
      let bar = ProgressBar(
        "sample \(named.name)", total: named.solver.steps.map { $0 * shards }, quiet: experiment.quiet)
      defer { bar.finish() }
      do {
        let recorder = sampling.trajectories.map { Trajectories.Recorder($0) }
        let samples = try sampler.draw(
          sampling.count, with: named.solver, denoise: named.denoise, progress: bar, observer: recorder)
        try write(samples.batch, name: named.name, folder)
        if let recorder {
          trajectories += try write(recorder.trajectories(dimension: plan.data.dimension), name: named.name, folder)
        }
        let s = samples.statistics
        table.rows.append(
          SolverTable.Row(
            solver: named.name, kind: named.kind, count: sampling.count,
            steps: Double(named.solver.steps ?? 0) > 0 ? Double(named.solver.steps ?? 0) : s.accepted, nfe: s.nfe,
            nfeMax: s.nfeMax, seconds: s.seconds))
      } catch let error as ComputationError {
        failures.append("solver \(named.name): \(error)")
      } catch let error as InputError {
        failures.append("solver \(named.name): \(error)")
      }
      try folder.write(table.csv(), to: "solvers.csv")
      if sampling.trajectories != nil { try folder.write(trajectories, to: "trajectories.csv") }
    }
    return table
  }

  /// Writes pictures of the rows that were followed, and returns their lines of `trajectories.csv`.
  private func write(_ trajectories: Trajectories, name: String, _ folder: ResultsFolder) throws -> String {
    let (shape, data) = (plan.data.imageShape, dataset.heldOut)
    try folder.write(try trajectories.strip(shape: shape, data: data).png(), to: "samples/\(name)-strip.png")
    try folder.write(try trajectories.animation(shape: shape, data: data), to: "samples/\(name)-animation.png")
    if plan.data.dimension > 256 {
      try folder.write(SampleFile.npy(trajectories.states), to: "samples/\(name)-trajectories.npy")
    }
    return trajectories.csv(solver: name)
  }

  /// Coupled paths are as fine as the shortest step of any solver asks for. A grid that is refused fails its solver.
  private func path() -> (any BrownianPath)? {
    let (sampling, duration) = (plan.sampling, plan.process.duration)
    guard sampling.path == .coupled else { return nil }
    let kernel = plan.process.makeNoiseKernel()
    let depths = sampling.solvers.compactMap { named -> Int? in
      if named.solver.needsBrownianPath { return CoupledPath.depthOfAnySteps }
      let times = named.solver.steps.flatMap { steps in
        try? (named.solver.grid ?? sampling.grid)
          .times(from: duration, to: sampling.epsilon, steps: steps, kernel: kernel)
      }
      return times.map { CoupledPath.depth(for: $0, duration: duration) }
    }
    return CoupledPath(seed: plan.seed, duration: duration, depth: depths.max() ?? 1)
  }

  private func write(_ batch: Batch, name: String, _ folder: ResultsFolder) throws {
    if plan.sampling.format == .npy || batch.dimension > 256 {
      try folder.write(SampleFile.npy(batch), to: "samples/\(name).npy")
      folder.remove("samples/\(name).csv")
    } else {
      try folder.write(SampleFile.csv(batch), to: "samples/\(name).csv")
      folder.remove("samples/\(name).npy")
    }
    let picture =
      if let shape = plan.data.imageShape {
        Picture.grid(batch, shape: shape)
      } else {
        Picture.scatter(batch, heldOut: dataset.heldOut)
      }
    try folder.write(try picture.png(), to: "samples/\(name).png")
  }

  // MARK: Evaluation

  func evaluate(_ sampled: SolverTable, in folder: ResultsFolder, failures: inout [String]) throws -> SolverTable {
    var table = sampled
    table.metrics = plan.metrics.map(\.name) + (plan.pathError ? ["path-error"] : [])
    var pathErrors = plan.pathError ? PathErrors(plan, score: score, threads: experiment.threads) : nil
    for index in table.rows.indices {
      let solver = table.rows[index].solver
      do {
        let samples = try SampleFile.read(folder, solver: solver, dimension: plan.data.dimension)
        for (name, metric) in plan.metrics {
          table.rows[index].metrics[name] = try metric.evaluate(
            samples: samples, heldOut: dataset.heldOut, seed: plan.seed, threads: experiment.threads)
        }
        if let named = plan.sampling.solvers.first(where: { $0.name == solver }) {
          table.rows[index].metrics["path-error"] = try pathErrors?.error(of: named.solver)
        }
      } catch let error as InputError {
        failures.append("solver \(solver): \(error)")
      } catch let error as ComputationError {
        failures.append("solver \(solver): \(error)")
      }
    }
    try folder.write(table.csv(), to: "solvers.csv")
    return table
  }
}

extension Optional {
  func orThrow(_ error: @autoclosure () -> some Error) throws -> Wrapped {
    guard let self else { throw error() }
    return self
  }
}
