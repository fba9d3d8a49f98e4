// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Evaluation
import Glibc
import Models
import Networks
import Processes
import Scores
import Solvers
import Synchronization
import Training

/// A model and the held-out rows that judge it.
public final class JudgedModel: Sendable {
  /// The process with its kernel and prior.
  public let process: PreparedProcess
  /// The data, and its coordinates.
  public let data: DataInCoordinates
  /// The law of the data in its own units, where it is known.
  public let law: DataLaw?
  /// Keys all random numbers.
  public let seed: UInt64
  /// How many threads may be used; results do not depend on it.
  public let threads: Int
  /// The smallest time that matters.
  public let epsilon: Double
  /// What the model's flow begins with in place of the prior; nil: the prior.
  let ends: SourceLaw?
  /// Held-out rows in the units of the data.
  public let heldOut: Batch
  private let conditions: Conditions
  private let source: ScoreSource
  private let likelihood: LikelihoodPlan
  /// The exact score of the data's law; nil where it is not known.
  private let exact: ScoreSource?
  /// The densities of the chosen rows, by how many of the first ones they are, and how they were computed.
  private let known = Mutex<[Key: RowDensities]>([:])

  private struct Key: Hashable {
    let count: Int
    let method: DensityMethod
  }

  /// Log densities of rows, of the model and of the data's law.
  struct RowDensities: Sendable {
    let rows: Batch
    /// What the model was told of each row.
    let conditions: Conditions
    /// In the units of the data.
    let model: [Double]
    /// nil where levels are not known.
    let bits: [Double]?
  }

  /// - Parameters:
  ///   - experiment: says what the model is.
  ///   - data: the data, and its coordinates.
  ///   - reference: the held-out rows, with what is known of them.
  ///   - source: the score.
  ///   - exact: the exact score of the data's law; nil where it is not known.
  ///   - seed: another one than the experiment's.
  ///   - threads: another number than the experiment's.
  init(
    _ experiment: Experiment, _ data: DataInCoordinates, _ reference: Reference, _ source: ScoreSource,
    exact: ScoreSource? = nil, seed: UInt64? = nil, threads: Int? = nil
  ) {
    self.exact = exact
    let plan = experiment.plan
    process = plan.prepared
    self.data = data
    law = plan.data.law
    (self.seed, self.threads) = (seed ?? plan.seed, threads ?? experiment.threads)
    epsilon = plan.training?.epsilon ?? plan.sampling.epsilon
    ends = plan.model.source
    heldOut = reference.heldOut
    conditions = source.conditionShape == .nothing ? .nothing : reference.heldOutConditions
    self.source = source
    likelihood = plan.likelihood
  }

  private static let choice = Purpose(rawValue: 52)

  /// Some of the held-out rows, in their order: those of the smallest hashes.
  private func chosen(_ count: Int) -> [Int] {
    guard count < heldOut.count else { return Array(0..<heldOut.count) }
    let hashes = NoiseStream(seed: seed, purpose: Self.choice).uniforms(count: heldOut.count, dimension: 1).values
    return (0..<heldOut.count).sorted { (hashes[$0], $0) < (hashes[$1], $1) }.prefix(count).sorted()
  }

  /// Log densities of at most `count` held-out rows, computed once.
  /// - Throws: `InputError` where the model knows none of these rows; `ComputationError` where the flow cannot be
  ///   solved.
  func logDensities(_ count: Int, by method: DensityMethod = .section) throws -> RowDensities {
    let count = min(count, heldOut.count)
    guard count > 1 else { throw InputError("\(heldOut.count) held-out rows; allowed: 2 or more") }
    let key = Key(count: count, method: method)
    if let found = known.withLock({ $0[key] }) { return found }
    let chosen = chosen(count)
    let rows = heldOut.only(chosen)
    let known = conditions.only(chosen)
    let score = try method == .exact ? exactScore(given: known) : score(given: known)
    let sampler = Sampler(
      process: process, score: score, dimension: data.source.dimension, seed: seed, threads: threads)
    let found = try method.plan(likelihood).logDensities(
      of: try data.encoded(rows), in: data, by: sampler, seed: seed)
    let densities = RowDensities(
      rows: rows, conditions: known, model: found.values, bits: found.bits)
    self.known.withLock { $0[key] = densities }
    return densities
  }

  /// At most `count` held-out rows, and the pictures that an autoencoder makes of them: one that is trained, or one of
  /// the coordinates. Latents are the means of their laws.
  func reconstructions(_ count: Int) throws -> (originals: Batch, pictures: Batch) {
    let rows = heldOut.only(chosen(min(count, heldOut.count)))
    let score = data.coordinates == nil ? try source.score(given: .nothing) : nil
    if let model = (score as? ModelScore)?.model, let network = model.network as? AutoencoderNetwork {
      return (
        rows, try Autoencoder(network, parameters: model.parameters, scaling: 1).reconstructed(rows, threads: threads)
      )
    }
    return (rows, data.decoded(try data.encodedStates(rows)))
  }

  /// The score at `draws` noised rows at each of 20 times, in coordinates.
  func score(draws: Int) throws -> any Score { try score(given: conditions(draws: draws)) }

  /// What the model is told of these noised rows.
  func conditions(draws: Int) -> Conditions {
    guard conditions != .nothing else { return .nothing }
    return conditions.only((0..<draws * 20).map { LossByTime.dataRow($0 % draws, of: heldOut.count) })
  }

  /// The score of rows with the conditions of the first held-out ones.
  func score(ofHeldOut count: Int) throws -> any Score {
    try score(given: conditions == .nothing ? .nothing : conditions.only((0..<count).map { $0 % heldOut.count }))
  }

  /// The exact score of rows of which this is known: of all rows where the law has no classes.
  func exactScore(given conditions: Conditions) throws -> any Score {
    guard let exact else { throw InputError("the exact score of the data's law is not known") }
    return try exact.score(given: exact.conditionShape == .nothing ? .nothing : conditions)
  }

  private func score(given conditions: Conditions) throws -> any Score {
    guard conditions != .nothing || source.knowsNothing else {
      throw InputError("the network wants \(source.conditionShape.text), and nothing is known of held-out rows")
    }
    return try source.score(given: conditions)
  }
}

extension DataLaw {
  /// ln p(x | c) of rows of data of which this is known: ln p(x) where nothing is, or where the law has no classes.
  func logDensities(of rows: Batch, given conditions: Conditions) throws -> [Double] {
    guard classes != nil, conditions != .nothing else { return try logDensities(of: rows) }
    var values = [Double](repeating: 0, count: rows.count)
    let groups = Dictionary(grouping: 0..<rows.count) { row in
      if case .label(let label) = conditions[row] { label } else { -1 }
    }
    for label in groups.keys.sorted() {
      guard let own = groups[label], let law = given(label < 0 ? .nothing : .label(label)) else {
        throw InputError("class \(label), which the law of the data does not have")
      }
      for (row, value) in zip(own, try law.logDensities(of: rows.only(own))) { values[row] = value }
    }
    return values
  }

  /// ln p of rows of data.
  func logDensities(of rows: Batch) throws -> [Double] {
    var points = rows
    var values = [Double](repeating: 0, count: rows.count)
    if isExponential {
      guard rows.values.allSatisfy({ $0 > 0 }) else { throw InputError("a row of 0 or less has no density") }
      points.values = points.values.map { log($0) }
    }
    // At t = 0 the noised law is the law itself.
    let score = MixtureScore(mixture, kernel: VPSDE().makeKernel())
    try points.withRows { x in
      try values.withUnsafeMutableBufferPointer { out in
        guard let base = out.baseAddress else { return }
        try score.makeEvaluator(for: x.span).logDensity(x, at: .all(0), into: base)
      }
    }
    guard isExponential else { return values }
    return values.indices.map { values[$0] - points.row($0).reduce(0, +) }
  }
}
