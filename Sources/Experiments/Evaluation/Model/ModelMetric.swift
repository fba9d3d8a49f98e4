// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Evaluation
import Processes
import Scores

/// A number that says how good a model is, whatever solver samples it: a row without a solver in `evaluation.csv`.
///
/// A package adds its own as kinds of `Catalogue.modelMetrics`.
public protocol ModelMetric: Sendable {
  /// Which values are better; default: lower ones.
  var better: Direction { get }

  /// Whether it is made of likelihoods, which then must be possible; default: false.
  var usesLikelihood: Bool { get }

  /// Whether it looks at the exact score of the data's law, which then must be known; default: false.
  var usesExactScore: Bool { get }

  /// - Throws: `InputError` without a location for a model that has no such number. Nothing is loaded yet.
  func check(_ setting: ModelSetting) throws

  /// - Throws: `InputError` where the number is not defined for these rows; `ComputationError` where it cannot be
  ///   computed.
  func judge(_ model: JudgedModel) throws -> ModelJudgement
}

extension ModelMetric {
  public var better: Direction { .lower }
  public var usesLikelihood: Bool { false }
  public var usesExactScore: Bool { false }
}

/// What a metric of models finds.
public struct ModelJudgement: Sendable {
  /// The number, with its interval.
  public let estimate: Estimate
  /// The same number of the data's own law, where that is known.
  public let data: Estimate?
  /// How many held-out rows it is of.
  public let count: Int

  /// What was found, of so many held-out rows.
  public init(_ estimate: Estimate, data: Estimate? = nil, count: Int) {
    (self.estimate, self.data, self.count) = (estimate, data, count)
  }
}

/// What is known of a model before anything is loaded.
public struct ModelSetting {
  /// The process with its kernel and prior.
  public let process: PreparedProcess
  /// Where the data come from.
  public let data: any DataSource
  /// Whether the coordinates spread levels into intervals.
  public let dequantises: Bool
  /// Whether the number of levels of the data is known.
  public let hasLevels: Bool
  /// Whether pictures go through an autoencoder: one that is trained, or one of the coordinates.
  public let hasAutoencoder: Bool
  /// Whether the model is a score, and not an autoencoder.
  public let isScore: Bool
  /// Whether rows can be carried along its probability flow.
  public let hasFlow: Bool
  /// Whether the exact score of the data's law is known.
  public let hasExactScore: Bool
  /// What the score offers.
  let traits: ScoreTraits
  /// Between which times the network maps; nil: it is a score alone.
  let map: FlowMapRange?
  /// What the section `likelihood` says.
  let likelihood: LikelihoodPlan
}

extension Catalogue {
  static let standardModelMetrics = Kinds<any ModelMetric>([
    Kind("nll", "negative log-likelihood of held-out rows in nats, by the probability flow; of the model") {
      options, _ in
      NegativeLogLikelihood(unit: .nats, rows: try rows(options), method: try DensityMethod(options))
    },
    Kind("bits-per-dimension", "the same in bits per dimension, of data of a few levels; of the model") {
      options, _ in
      NegativeLogLikelihood(unit: .bitsPerDimension, rows: try rows(options), method: try DensityMethod(options))
    },
    Kind("kl", "KL divergence of the data's law, where it is known, from the model's; of the model") { options, _ in
      LawDivergence(rows: try rows(options))
    },
    Kind("score-error", "‖σ (s − s exact)‖²/D, the mean over t, where the exact score is known; of the model") {
      options, _ in
      ScoreError(
        draws: try options.integer("draws", default: 1024, atLeast: 2, atMost: 1_000_000, "rows at each of 20 times"))
    },
    Kind("path-energy", "T ∫ E ‖dx/dt‖² dt of the flow, beside the least possible: W₂² of its ends; of the model") {
      options, _ in
      PathEnergy(
        rows: try rows(options),
        steps: try options.integer("steps", default: 100, atLeast: 1, atMost: 100_000, "equal ones of t, by rk4"))
    },
    Kind("psnr", "peak signal-to-noise ratio of held-out pictures after an autoencoder, in dB; of the model") {
      options, _ in PeakSignalToNoise(rows: try rows(options))
    },
  ])

  private static func rows(_ options: Options) throws -> Int {
    try options.integer(
      "rows", default: 1000, atLeast: 2, atMost: 100_000_000, "at most so many held-out rows, drawn by a hash")
  }
}
