// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Foundation
import Processes
import Scores
import Solvers
import Training

/// Pairs for another rectified flow (Liu et al. 2023, section 2.2): draws x_T of the prior or of the source, and what
/// the probability flow of a teacher makes of them.
struct Reflow: Sendable {
  /// The checkpoint's file or its folder; nil: the exact score of the data's law.
  let teacher: String?
  /// How many pairs there are.
  let count: Int
  /// Relative and absolute, of the flow's solution.
  let tolerance: Double

  /// The checkpoint's file; nil for the exact score.
  private var path: String? {
    guard let teacher else { return nil }
    var isFolder: ObjCBool = false
    let exists = FileManager.default.fileExists(atPath: teacher, isDirectory: &isFolder)
    return exists && isFolder.boolValue ? teacher + "/checkpoint.safetensors" : teacher
  }

  private var recipe: any ScoreRecipe {
    guard let path else { return ExactScoreRecipe() }
    return CheckpointScoreRecipe(path: path)
  }

  /// Pairs, and what the teacher was told of each.
  struct Pairs {
    let data, ends: Batch
    let conditions: Conditions
  }

  /// - Parameter told: what the network that is trained is told of each row.
  /// - Throws: `InputError` without a location for data that no such teacher knows.
  func check(_ process: PreparedProcess, _ data: any DataSource, told: ConditionShape) throws {
    if let path {
      guard FileManager.default.fileExists(atPath: path) else {
        throw InputError("teacher: \(path): no such file; allowed: exact, or a checkpoint.safetensors or its folder")
      }
      return
    }
    do {
      try recipe.check(process, data)
    } catch let error as InputError where error.location.isEmpty {
      throw InputError("teacher: \(error.message)")
    }
    let known = recipe.conditionShape(for: data) ?? .nothing
    guard told == .nothing || told == known else {
      throw InputError(
        "teacher: the exact score is told \(known.text), the network \(told.text); allowed: the same, or a network that "
          + "is told nothing")
    }
  }

  /// Stands for the teacher's content in what a training depends on; empty for the exact score.
  var fingerprint: String {
    path.flatMap { SHA256.text(ofFile: $0) } ?? ""
  }

  /// The pairs in the coordinates that the model sees. Where the network is told conditions, so is the teacher: those
  /// of rows to learn from, drawn with replacement. x_T knows nothing of them.
  /// - Parameters:
  ///   - told: what the network is told of each row.
  ///   - ends: what x_T is drawn from.
  ///   - epsilon: where the flow stops, with Tweedie's mean.
  func pairs(
    _ experiment: Experiment, _ data: DataInCoordinates, told: ConditionShape, ends: PathEnds, epsilon: Double
  ) throws -> Pairs {
    let plan = experiment.plan.model
    let source = try recipe.resolve(
      in: ScoreSetting(
        process: plan.prepared, data: data.source, dataset: data.seen, coordinates: plan.coordinatesText,
        seed: plan.seed, catalogue: experiment.catalogue, learned: nil))
    guard told == .nothing || told == source.conditionShape else {
      throw InputError(
        "its network is told \(source.conditionShape.text), the student \(told.text); allowed: the same, or a student "
          + "that is told nothing", at: "training.objective.teacher")
    }
    guard told != .nothing || source.knowsNothing else {
      throw InputError(
        "its network was never told nothing, and the student is; allowed: a student that is told "
          + source.conditionShape.text, at: "training.objective.teacher")
    }
    let seed = plan.seed &+ 0x7265_666c_6f77
    var conditions = Conditions.nothing
    if told != .nothing {
      let known = data.dataset.trainingConditions
      let size = try source.score(given: .all(known[0])).shardRows
      // Spare rows of the last block are told something, too.
      let draws = NoiseStream(seed: seed, purpose: .trainingRow).uniforms(
        count: (count + size - 1) / size * size, dimension: 1)
      let items = data.dataset.trainingRows.count
      conditions = known.only(draws.values.map { min(Int($0 * Double(items)), items - 1) })
    }
    let score = try source.score(given: conditions)
    let bar = ProgressBar("pairs \(experiment.plan.name)", total: count, unit: "pair", quiet: experiment.quiet)
    defer { bar.finish() }
    var rows = Batch(count: count, dimension: data.source.dimension)
    let prior = plan.prepared.prior
    try rows.forEachShard(threads: experiment.threads) { x in
      switch ends {
      case .prior: prior.draw(into: x, from: NoiseStream(seed: seed, purpose: .prior))
      case .rows(let law):
        let uniforms = NoiseStream(seed: seed, purpose: .data).uniforms(count: x.first + x.count, dimension: 1)
        for i in 0..<x.count {
          let item = min(Int(uniforms[x.first + i, 0] * Double(law.count)), law.count - 1)
          let variation = Variation(uniforms: SIMD3(repeating: 0.5), seed: seed, step: 0, row: x.first + i)
          law.copy(item, variation: variation, into: x.row(i).values)
        }
      }
    }
    let begun = rows
    let sampler = Sampler(
      process: plan.prepared, score: score, dimension: rows.dimension, seed: seed, epsilon: epsilon,
      beginning: Beginning(at: plan.process.duration) { x in
        for i in 0..<x.count {
          // Spare rows of the last block begin as some other row does.
          for (j, value) in begun.row(min(x.first + i, begun.count - 1)).enumerated() { x[i, j] = value }
        }
      }, threads: experiment.threads)
    let flow = ProbabilityFlow(.rkf45, rtol: tolerance, atol: tolerance)
    let size = max(1, 16 * score.shardRows)
    var values: [Double] = []
    for first in stride(from: 0, to: count, by: size) {
      let part = min(size, count - first)
      values += try sampler.draw(part, from: first, with: flow, block: score.shardRows).batch.values
      bar.advance(by: part)
    }
    return Pairs(
      data: Batch(values: values, dimension: begun.dimension), ends: begun,
      conditions: told == .nothing ? .nothing : conditions.only(Array(0..<count)))
  }
}
