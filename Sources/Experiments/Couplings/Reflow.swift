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

  /// - Throws: `InputError` without a location for data that no such teacher knows.
  func check(_ process: PreparedProcess, _ data: any DataSource) throws {
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
  }

  /// Stands for the teacher's content in what a training depends on; empty for the exact score.
  var fingerprint: String {
    path.flatMap { SHA256.text(ofFile: $0) } ?? ""
  }

  /// The pairs in the coordinates that the model sees.
  /// - Parameters:
  ///   - ends: what x_T is drawn from.
  ///   - epsilon: where the flow stops, with Tweedie's mean.
  func pairs(
    _ experiment: Experiment, _ data: DataInCoordinates, ends: PathEnds, epsilon: Double
  ) throws -> (data: Batch, ends: Batch) {
    let plan = experiment.plan.model
    let source = try recipe.resolve(
      in: ScoreSetting(
        process: plan.prepared, data: data.source, dataset: data.seen, coordinates: plan.coordinatesText,
        seed: plan.seed, catalogue: experiment.catalogue, learned: nil))
    let score = try source.score(given: .nothing)
    let seed = plan.seed &+ 0x7265_666c_6f77
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
    return (Batch(values: values, dimension: begun.dimension), begun)
  }
}
