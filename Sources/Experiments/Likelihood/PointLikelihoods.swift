// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Foundation
import Processes
import Scores
import Solvers

extension Experiment {
  /// Writes `log_density` of each point, its `standard_error` where it is estimated, and `bits_per_dimension` where the
  /// number of levels is given.
  /// - Returns: a line with means and cost.
  /// - Throws: `ExperimentFailure` after the file is written where some points have no density; these are not a number.
  public func logDensities(of files: PointFiles) throws -> String {
    if let refusal = plan.model.refusalOfDensities { throw InputError(refusal, at: "likelihood") }
    let (opened, sampler) = try openFlow(files)
    let bar = ProgressBar("likelihood \(plan.name)", total: nil, quiet: quiet)
    defer { bar.finish() }
    let (result, values, bits) = try plan.likelihood.logDensities(
      of: opened.rows, in: opened.data, by: sampler, seed: plan.seed, badRows: .keepOthers, progress: bar)
    let columns = [
      ("log_density", values), ("standard_error", result.standardErrors), ("bits_per_dimension", bits),
    ].compactMap { name, values in values.map { (name, $0) } }
    var table = Batch(count: values.count, dimension: columns.count)
    for (j, column) in columns.enumerated() {
      for i in values.indices { table[i, j] = column.1[i] }
    }
    try SampleFile.writeCSV(table, header: columns.map(\.0), to: files.output)
    bar.finish()
    let good = values.indices.filter { result.failures[$0] == nil }
    let summary = Self.summary(
      good.map { values[$0] }, result.statistics, bits: bits.map { all in good.map { all[$0] } })
    try PointFailures(result.failures, in: files).requireNone(summary: summary)
    return summary
  }

  private static func summary(_ values: [Double], _ statistics: Statistics, bits: [Double]?) -> String {
    /// Mean and standard error over points.
    func mean(_ values: [Double]) -> String {
      if values.isEmpty { return "of none" }
      let count = Double(values.count)
      let mean = values.reduce(0, +) / count
      guard values.count > 1 else { return String(format: "%.4f", mean) }
      let squares = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
      return String(format: "%.4f ± %.4f", mean, (squares / (count - 1) / count).squareRoot())
    }
    var parts = ["mean log density \(mean(values))"]
    if let bits { parts.append("bits per dimension \(mean(bits))") }
    parts.append(String(format: "NFE %.0f, largest %d", statistics.nfe, statistics.nfeMax))
    return "\(values.count) points: " + parts.joined(separator: "; ")
  }

  /// Writes the codes of points: where the probability flow takes them from ε to T.
  public func encode(_ files: PointFiles) throws -> String {
    let (opened, sampler) = try openFlow(files)
    return try transport(
      try sampler.lifted(opened.rows), sampler, opened.data, from: plan.likelihood.likelihood.epsilon,
      to: plan.process.duration, files)
  }

  /// Writes the points whose codes are given, from T to ε.
  public func decode(_ files: PointFiles) throws -> String {
    let (opened, sampler) = try openFlow(files, areStates: true)
    return try transport(
      opened.rows, sampler, opened.data, from: plan.process.duration, to: plan.likelihood.likelihood.epsilon, files)
  }

  private func transport(
    _ points: Batch, _ sampler: Sampler, _ data: DataInCoordinates, from start: Double, to end: Double,
    _ files: PointFiles
  ) throws -> String {
    let samples = try sampler.transport(
      points, from: start, to: end, with: plan.likelihood.flow, badRows: .keepOthers)
    let ends = try end < start ? data.decoded(sampler.projected(samples.batch)) : data.decodedStates(samples.batch)
    try SampleFile.writeCSV(ends, to: files.output)
    let summary = String(
      format: "%d points from t = \(written(start)) to \(written(end)); NFE %.0f, largest %d", points.count,
      samples.statistics.nfe, samples.statistics.nfeMax)
    try PointFailures(samples.failures, in: files).requireNone(summary: summary)
    return summary
  }

  /// Writes `frames` points for each two consecutive rows, from one to the other.
  public func interpolate(_ files: PointFiles, frames: Int, by interpolation: Interpolation) throws -> String {
    guard frames >= 2 else { throw InputError("is \(frames); allowed: 2 or more", at: "--frames") }
    let (opened, sampler) = try openFlow(files)
    let points = opened.rows
    guard points.count >= 2 else {
      throw InputError("one row; at least two are needed", at: files.input ?? "--count")
    }
    let samples = try sampler.interpolate(
      points, frames: frames, by: interpolation, epsilon: plan.likelihood.likelihood.epsilon,
      with: plan.likelihood.flow,
      badRows: .keepOthers)
    try SampleFile.writeCSV(opened.data.decoded(samples.batch), to: files.output)
    let summary = "\(samples.batch.count) points: \(frames) for each of \(points.count - 1) pairs"
    let pairs = Set(samples.failures.keys.map { $0 / frames }).sorted()
    let failures = Dictionary(
      uniqueKeysWithValues: pairs.compactMap { pair in
        samples.failures.filter { $0.key / frames == pair }.min { $0.key < $1.key }.map { (pair, $0.value) }
      })
    try PointFailures(failures, in: files, whose: "frames from a row to the next").requireNone(summary: summary)
    return summary
  }

  private func openFlow(_ files: PointFiles, areStates: Bool = false) throws -> (points: OpenedPoints, sampler: Sampler)
  {
    let dimension = plan.model.seen.dimension
    try requireScore()
    if let refusal = plan.model.refusalOfFlows { throw InputError(refusal, at: "likelihood") }
    try plan.likelihood.check(nil, plan.prepared, dimension, plan.score)
    let opened = try open(files, areStates: areStates)
    return (
      opened,
      Sampler(
        process: plan.prepared, score: opened.score, dimension: dimension, seed: plan.seed, threads: threads)
    )
  }
}

extension LikelihoodPlan {
  /// Log densities in the units of the data, and bits per dimension where the levels are known.
  /// - Parameters:
  ///   - points: rows in coordinates.
  ///   - data: says what coordinates these are.
  ///   - sampler: has the process and the score.
  ///   - seed: keys the noise between levels.
  ///   - badRows: what becomes of the others where a row cannot be solved.
  ///   - progress: who is told of every step.
  func logDensities(
    of points: Batch, in data: DataInCoordinates, by sampler: Sampler, seed: UInt64, badRows: BadRows = .fail,
    progress: (any ProgressObserver)? = nil
  ) throws -> (result: LogDensities, values: [Double], bits: [Double]?) {
    var points = points
    // Coordinates that dequantise have done so already, and know the levels.
    let levels = data.coordinates?.levels
    let quantisation = quantisation ?? levels
    if let quantisation, dequantises, levels == nil {
      // With uniform noise one spacing wide in the units of the data.
      points =
        data.coordinates == nil
        ? quantisation.dequantised(points, seed: seed)
        : try data.encoded(quantisation.dequantised(data.decoded(points), seed: seed))
    }
    let result =
      try mapped.map { try sampler.logDensities(of: points, with: $0, badRows: badRows, progress: progress) }
      ?? sampler.logDensities(of: points, with: likelihood, badRows: badRows, progress: progress)
    let values = zip(result.values, try data.logDeterminants(points)).map { $0 + $1 }
    let dimension = data.dataset.trainingRows.dimension
    let bits = quantisation.map { quantisation in
      values.map { quantisation.bitsPerDimension(logDensity: $0, dimension: dimension) }
    }
    return (result, values, bits)
  }
}
