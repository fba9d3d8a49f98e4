// SPDX-License-Identifier: GPL-3.0-or-later
import Conditioning
import Core
import Datasets
import Models
import Networks
import Processes
import Scores
import Solvers

/// Draws pictures from a folder of diffusers' StableDiffusionPipeline: from texts, from another picture and a text, or
/// within a mask. The same seed gives the picture that diffusers makes, but for rounding.
public struct Generation {
  private let request: GenerationRequest
  private let files: GeneratedFiles
  private let models: PipelineModels
  private let choice: SolverChoice
  private let process: PreparedProcess
  private let kernel: any PerturbationKernel

  /// Reads the folder.
  /// - Parameters:
  ///   - request: what is to be drawn.
  ///   - catalogue: the solvers that may be named.
  ///   - tell: is told what a person should know, a line each.
  /// - Throws: `InputError` for what is wrong with the request, or at a file of the folder.
  public init(_ request: GenerationRequest, _ catalogue: Catalogue, tell: (String) -> Void) throws {
    try request.check()
    self.request = request
    files = try GeneratedFiles(request)
    let folder = try PipelineFolder(request.folder)
    choice = try SolverChoice(request, folder.scheduler, folder.schedulerClass, catalogue)
    if choice.ours == nil {
      do {
        _ = try choice.recipe.scheduler.plan(steps: request.steps, levels: choice.recipe.levels)
      } catch let error as InputError {
        throw InputError(error.message, at: "--steps")
      }
    }
    let sde = VPSDE(choice.recipe.schedule.asModelLevels())
    (process, kernel) = (PreparedProcess(sde), sde.makeKernel())
    if let ours = choice.ours {
      let setting = SamplingSetting(
        process, epsilon: sde.samplingEpsilon, grid: sde.samplingSpacing.grid, traits: [])
      do {
        try ours.check(setting)
      } catch let error as InputError where error.location.isEmpty {
        throw InputError(error.message, at: "--solver \(request.solver ?? "")")
      }
    }
    models = try PipelineModels(folder, request)
    if models.inputChannels != models.latent.channels, request.mask == nil {
      throw InputError(
        "sees \(models.inputChannels) channels, as it paints within a mask; allowed: --image and --mask",
        at: folder.unet)
    }
    if choice.ours != nil, request.mask != nil, models.inputChannels == models.latent.channels {
      throw InputError(
        "is none of diffusers' schedulers, which a mask needs beside this U-Net; allowed: "
          + SchedulerRecipe.names.keys.sorted().joined(separator: ", "), at: "--solver")
    }
    if !request.negative.isEmpty, !isGuided {
      tell("--negative: has no effect with --guidance \(request.guidance), as in diffusers; it needs one above 1")
    }
    for note in folder.notes + choice.recipe.notes + models.notes { tell(note) }
    for text in request.prompts + (isGuided ? [request.negative] : []) {
      if let note = models.network.tokenizer.note(on: text) { tell(note) }
    }
  }

  /// ε_c alone is evaluated where it is the result, as in diffusers, and for weights below 1 as well.
  private var isGuided: Bool { request.guidance > 1 }

  /// Draws, and writes the files.
  /// - Returns: the files that were written.
  /// - Throws: `ComputationError` for numbers that are not finite and for a signal, `WriteError` for files.
  public func run() throws -> [String] {
    var start = try Start(request, models, choice)
    let network = try start.beside.map { try models.network(beside: $0) } ?? models.network
    let model = ScoreModel(
      network, parameters: network.initialParameters(seed: 0), prediction: choice.recipe.prediction,
      kernel: kernel, duration: process.duration)
    let latents = try solve(score(of: model), &start)
    var images = try models.autoencoder.decode(latents, threads: request.threads)
    if let bad = images.values.firstIndex(where: { !$0.isFinite }) {
      throw ComputationError.nonFinite(
        NonFinite(.state, row: bad / images.dimension, place: "the autoencoder's decoder"))
    }
    for i in images.values.indices { images.values[i] = min(max(0.5 * images.values[i] + 0.5, 0), 1) }
    try StopSignals.check()
    try files.write(images, models.picture)
    return files.paths
  }

  private func score(of model: ScoreModel) -> any Score {
    let texts = Conditions.texts(request.promptOfPicture)
    let with = model.score(given: texts)
    guard isGuided else { return with }
    let nothing = Conditions.all(.text(request.negative))
    return ExtrapolatedScore(
      ScorePair(
        with: with, without: model.score(given: nothing), together: model.score(given: .interleaved([texts, nothing]))),
      weight: request.guidance)
  }

  /// The latents at the end.
  private func solve(_ score: any Score, _ start: inout Start) throws -> Batch {
    let solver: any Solver
    if let ours = choice.ours {
      solver = ours
    } else {
      solver = ScheduledSolver(
        choice.recipe.scheduler, steps: request.steps, levels: choice.recipe.levels, start: start.place,
        constraint: start.constraint)
    }
    let states = start.states(process, isScheduled: choice.ours == nil)
    let sampler = Sampler(
      process: process, score: score, dimension: models.latent.count, seed: request.seed, path: try start.path(choice),
      beginning: Beginning(at: start.time(process, isScheduled: choice.ours == nil)) { $0.copyRows(of: states) },
      threads: request.threads)
    let rows = request.pictures
    let bar = ProgressBar("generate", total: start.calls ?? solver.steps, parts: rows, quiet: request.quiet)
    defer { bar.finish() }
    // One by one, so that a picture depends on no other.
    return try sampler.draw(rows, with: solver, block: 1, progress: bar).batch
  }
}

extension Rows {
  /// Copies these rows from a batch, by their numbers.
  fileprivate func copyRows(of batch: Batch) {
    batch.values.withUnsafeBufferPointer { source in
      guard let base = source.baseAddress else { return }
      values.update(from: base + first * dimension, count: size)
    }
  }
}
