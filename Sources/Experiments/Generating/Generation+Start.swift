// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Glibc
import Models
import Networks
import Processes
import Solvers

extension Generation {
  /// Where a generation begins, with the draws that diffusers makes, in its order: the latents of the picture, the
  /// noise, the latents of the rest of a masked picture, and then the noise of steps.
  struct Start {
    /// Unit noise of all pictures.
    private let noise: Batch
    /// The picture's latents, for all pictures; nil without one.
    private let known: Batch?
    /// The first step.
    let place: ScheduledSolver.Start
    /// σ̃ at which the picture's latents get their noise; nil: the state is noise alone.
    private let level: Double?
    /// How often the solver goes on; nil: as one of ours says.
    let calls: Int?
    /// What a U-Net that paints within a mask sees beside the latents.
    let beside: [Float]?
    /// What a mask puts back after every step, of other U-Nets.
    let constraint: (any StepConstraint)?
    private var random: LatentNoise
    private let request: GenerationRequest
    private let strength: Double

    init(_ request: GenerationRequest, _ models: PipelineModels, _ choice: SolverChoice) throws {
      let (shape, rows) = (models.latent, request.pictures)
      self.request = request
      random = LatentNoise(seed: request.seed, shape: shape)
      strength = request.strength ?? (request.mask == nil ? 0.8 : 1)
      let skipped = request.image == nil ? 0 : request.skippedSteps(strength: strength)
      let hasOwnChannels = models.inputChannels != shape.channels
      // Painting within a mask with all of the noise takes the noise alone; image to image the picture in any case.
      let isNoise = request.image == nil || request.mask != nil && strength == 1
      var encoded: Batch?
      if let source = models.source, !(isNoise && hasOwnChannels) {
        encoded = try Self.latents(of: source.image, models, &random, threads: request.threads)
      }
      if let latents = request.latents {
        noise = try LatentNoise.read(latents, rows: rows, shape: shape)
      } else {
        noise = random.draw(rows)
      }
      known = encoded.map { encoded in
        Batch(values: (0..<rows).flatMap { _ in encoded.values }, dimension: shape.count)
      }
      var (beside, constraint): ([Float]?, (any StepConstraint)?) = (nil, nil)
      if let source = models.source, let mask = source.mask(of: shape) {
        let rest = try Self.latents(of: source.kept, models, &random, threads: request.threads)
        if hasOwnChannels {
          beside = mask.indices.flatMap { i in
            [Float(mask[i])] + rest.values[i * shape.channels..<(i + 1) * shape.channels].map(Float.init)
          }
        } else if let known {
          constraint = MaskConstraint(latents: known, noise: noise, mask: mask)
        }
      }
      (self.beside, self.constraint) = (beside, constraint)
      if choice.ours == nil {
        let plan = try choice.recipe.scheduler.plan(steps: request.steps, levels: choice.recipe.levels)
        guard skipped < plan.steps.count else {
          throw InputError("is \(strength), which leaves no step", at: "--strength")
        }
        place = isNoise ? .noise : .step(skipped)
        level = isNoise ? nil : plan.steps[skipped].from
        calls = plan.steps.count - skipped
      } else {
        (place, level, calls) = (.noise, nil, nil)
      }
    }

    /// A draw of the latents of a picture.
    private static func latents(
      of image: Batch, _ models: PipelineModels, _ random: inout LatentNoise, threads: Int
    ) throws -> Batch {
      let law = try models.autoencoder.encode(image, threads: threads)
      var mean = law.mean
      let noise = random.draw(1)
      for i in mean.values.indices { mean.values[i] += exp(0.5 * law.logVariance.values[i]) * noise.values[i] }
      if let bad = mean.values.firstIndex(where: { !$0.isFinite }) {
        throw ComputationError.nonFinite(
          NonFinite(.state, row: bad / mean.dimension, place: "the autoencoder's encoder"))
      }
      return mean
    }

    /// The time at which states begin: T, or of ours with a picture its share.
    func time(_ process: PreparedProcess, isScheduled: Bool) -> Double {
      guard !isScheduled, known != nil else { return process.duration }
      return process.duration * max(strength, 2 * process.sde.samplingEpsilon)
    }

    /// The states of all pictures there.
    func states(_ process: PreparedProcess, isScheduled: Bool) -> Batch {
      guard let known else { return noise }
      let signal: Double
      let deviation: Double
      if isScheduled {
        guard let level else { return noise }
        signal = 1 / (1 + level * level).squareRoot()
        deviation = level * signal
      } else {
        guard let moments = process.kernel?.moments(at: time(process, isScheduled: false)) else { return noise }
        (signal, deviation) = (moments.scale, moments.deviation)
      }
      var states = known
      for i in states.values.indices { states.values[i] = signal * known.values[i] + deviation * noise.values[i] }
      return states
    }

    /// The noise of a stochastic scheduler's steps, drawn one after the other; nil: the noise of ours.
    mutating func path(_ choice: SolverChoice) throws -> (any BrownianPath)? {
      guard choice.ours == nil, choice.recipe.scheduler.isStochastic, let calls else { return nil }
      let rows = request.pictures
      return GeneratorPath((0..<calls).map { _ in random.draw(rows) })
    }
  }
}
