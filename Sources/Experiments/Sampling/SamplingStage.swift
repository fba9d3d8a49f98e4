// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Plots
import Processes
import Scores
import Solvers

/// Draws samples with every solver of a config.
struct SamplingStage {
  let name: String
  let process: PreparedProcess
  let processKind: String
  /// The solvers of the plan, each with the score that it draws with.
  let solvers: [GuidedSolver]
  let plan: SamplingPlan
  /// The data, in whose units samples come out.
  let data: DataInCoordinates
  /// What samples were told, where these are texts.
  let captions: CaptionFile?
  let pictures: PictureStage
  /// Arrows of the score; nil where nobody asked for them.
  let field: FieldFigure?
  let seed: UInt64
  /// The `--set` texts of the command line, for the table.
  let overrides: String
  /// What samples begin with; nil: draws of the prior.
  let startStates: Batch?
  /// How often each solver draws.
  let repeats: Int
  let threads: Int
  let quiet: Bool
  /// Whether the folder has the tables of this very config: they hold until all solvers have drawn the same again.
  let isRepeat: Bool
  /// Whether the evaluation follows, which writes `solvers.csv` with its metrics.
  let isJudged: Bool

  /// How many values a row of data has.
  private var dimension: Int { data.dataset.trainingRows.dimension }

  /// All files that a solver of this name can have.
  private func files(of solver: String) -> [String] {
    let figures = PictureStage.endings(
      plan.figures, isFollowed: plan.trajectories != nil, isObserved: plan.observation != nil,
      isEdited: plan.start != nil, isCaptioned: captions != nil)
    let endings = [".csv", ".npy", "-trajectories.npy"] + figures
    let others = (1...repeats).dropFirst().map { SampleFile.name(solver, repetition: $0) }
    return (endings.map { solver + $0 } + others.flatMap { [$0 + ".csv", $0 + ".npy"] }).map { "samples/\($0)" }
  }

  /// Draws with every solver. Pictures and samples of solvers that the config no longer has go. One that fails is
  /// reported, and the others go on.
  /// - Returns: the table, what went wrong, and what a reader of the samples should know, a line each.
  func run(into folder: ResultsFolder) throws -> (table: SolverTable, failures: [String], notes: [String]) {
    var table = SolverTable(experiment: name, process: processKind, metrics: [])
    var (failures, notes) = ([String](), [String]())
    var reports = SolveReports()
    let path = path()
    let known = Set(plan.solvers.flatMap { files(of: $0.name) })
    folder.removeFiles(in: "samples") { known.contains($0) }
    // Its figures are of the samples that go now.
    if !isRepeat { folder.remove("evaluation.csv") }
    folder.removeFigures("field", but: field == nil ? [] : plan.figures)
    if plan.trajectories == nil { folder.remove("trajectories.csv") }
    try CaptionFile.write(captions, to: folder)
    try HeldOutFile.write(data.dataset.heldOutRows, count: plan.count, format: plan.format, to: folder)
    let observed = try plan.observation?.observed(in: data.dataset, seed: seed)
    try ObservationFiles.write(observed, format: plan.format, to: folder)
    let posterior = observed.flatMap { observed in
      plan.observation.map { PosteriorPictures(observed, $0, pictures) }
    }
    var trajectories = Trajectories.table(dimension: dimension)
    do {
      if let field { try pictures.write(field, to: folder) }
    } catch let error as ComputationError where !error.isStop {
      failures.append("field: \(error)")
    } catch let error as InputError {
      failures.append("field: \(error)")
    } catch let error as PlotError {
      failures.append("field: \(error)")
    }
    for (index, guided) in solvers.enumerated() {
      let named = guided.named
      do {
        table.rows.append(try draw(guided, path, posterior, into: folder, &trajectories, &reports, &notes))
      } catch let error as ComputationError where error.isStop {
        throw error
      } catch let error as ComputationError {
        failures.append("solver \(named.name): \(error)")
      } catch let error as InputError {
        failures.append("solver \(named.name): \(error)")
      } catch let error as PlotError {
        failures.append("solver \(named.name): \(error)")
      }
      let isLast = index == plan.solvers.count - 1
      if !isRepeat || isLast && !isJudged { try folder.write(table.csv(), to: "solvers.csv") }
      if !isRepeat || isLast { try reports.write(to: folder) }
      if plan.trajectories != nil, !isRepeat || isLast {
        try folder.write(trajectories.text, to: "trajectories.csv")
      }
    }
    return (table, failures, notes)
  }

  /// Draws and writes the samples of one solver, as often as is asked for.
  private func draw(
    _ guided: GuidedSolver, _ path: (any BrownianPath)?, _ posterior: PosteriorPictures?, into folder: ResultsFolder,
    _ trajectories: inout CSVText, _ reports: inout SolveReports, _ notes: inout [String]
  ) throws -> SolverTable.Row {
    let named = guided.named
    let sampler = Sampler(
      process: process, score: guided.score, dimension: data.source.dimension, seed: seed, epsilon: plan.epsilon,
      path: path, grid: plan.grid,
      beginning: try plan.beginning(startStates, process, seed: seed, repeats: repeats, by: guided.score),
      threads: threads)
    var all: [Statistics] = []
    for repetition in 1...repeats {
      all.append(try draw(guided, repetition, by: sampler, posterior, into: folder, &trajectories, &notes))
      let first = (repetition - 1) * SamplingPlan.stride(of: plan.count, guided.score)
      reports.add(guided.solver, named.name, repetition, rows: first..<first + plan.count)
    }
    func mean(_ value: (Statistics) -> Double) -> Double { all.reduce(0) { $0 + value($1) } / Double(repeats) }
    let steps = named.solver.steps ?? 0
    return SolverTable.Row(
      solver: named.name, kind: named.kind, count: plan.count, steps: steps > 0 ? Double(steps) : mean(\.accepted),
      nfe: mean(\.nfe), nfeMax: all.map(\.nfeMax).max() ?? 0, seconds: mean(\.seconds), seed: String(seed),
      overrides: overrides)
  }

  /// Draws and writes one repeat. The first has pictures and trajectories.
  private func draw(
    _ guided: GuidedSolver, _ repetition: Int, by sampler: Sampler, _ posterior: PosteriorPictures?,
    into folder: ResultsFolder, _ trajectories: inout CSVText, _ notes: inout [String]
  ) throws -> Statistics {
    let (named, score) = (guided.named, guided.score)
    let name = SampleFile.name(named.name, repetition: repetition)
    let shards = Shards(rows: plan.count, size: score.shardRows).count
    let bar = ProgressBar("sample \(name)", total: named.solver.steps, parts: shards, quiet: quiet)
    defer { bar.finish() }
    let isFirst = repetition == 1
    let recorder = isFirst ? plan.trajectories.map { Trajectories.Recorder($0) } : nil
    let first = (repetition - 1) * SamplingPlan.stride(of: plan.count, score)
    let samples = try sampler.draw(
      plan.count, from: first, with: guided.solver, denoise: named.denoise, progress: bar, observer: recorder)
    let batch = data.decoded(samples.batch)
    try SampleFile.write(batch, solver: name, format: plan.format, to: folder)
    if plan.guidances[named.guidance]?.usesObservation ?? false,
      let note = StraySamples(beside: data.seen.heldOutRows)?.note(on: samples.batch, of: name)
    {
      notes.append(note)
    }
    guard isFirst else { return samples.statistics }
    try pictures.write(batch, solver: named.name, to: folder)
    if let shape = pictures.shape, let captions {
      let figure = CaptionedFigure(batch, shape: shape, captions: captions.texts).figure(solver: named.name)
      try pictures.write(figure, as: "samples/\(named.name)-captions", to: folder)
    }
    try posterior?.write(batch, solver: named.name, to: folder)
    if let start = plan.start, let shape = pictures.shape {
      let images = PosteriorImages(edited: try start.rows(of: data), frames: start.frames, shape: shape)
      try pictures.write(images.figure(batch, solver: named.name), as: "samples/\(named.name)-edit", to: folder)
    }
    if let followed = recorder?.trajectories(dimension: data.source.dimension).decoded(by: data) {
      try pictures.write(followed, solver: named.name, to: folder)
      if dimension > SampleFile.widestCSV {
        try SampleFile.writeNPY(followed.states, to: folder.fileToWrite("samples/\(named.name)-trajectories.npy"))
      }
      followed.add(to: &trajectories, solver: named.name)
    }
    if recorder == nil || dimension <= SampleFile.widestCSV {
      folder.remove("samples/\(named.name)-trajectories.npy")
    }
    return samples.statistics
  }

  /// Coupled paths are as fine as the shortest step of any solver asks for. A grid that is refused fails its solver.
  private func path() -> (any BrownianPath)? {
    guard plan.path == .coupled else { return nil }
    let (kernel, duration) = (process.noise, process.duration)
    let start = plan.start?.time ?? duration
    let depths = solvers.compactMap { guided -> Int? in
      // The times of an optimised grid are those of the guided solver.
      let solver = guided.solver.grid is ListedTimes ? guided.solver : guided.named.solver
      if solver.needsBrownianPath { return CoupledPath.depthOfAnySteps }
      let times = solver.steps.flatMap { steps in
        try? (solver.grid ?? plan.grid).times(from: start, to: plan.epsilon, steps: steps, kernel: kernel)
      }
      return times.map { CoupledPath.depth(for: $0, duration: duration) }
    }
    return CoupledPath(seed: seed, duration: duration, depth: depths.max() ?? 1)
  }
}
