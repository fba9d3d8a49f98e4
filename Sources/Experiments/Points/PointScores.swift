// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core
import Processes
import Solvers

/// What `score` writes of each point.
public enum PointQuantity: String, Sendable, CaseIterable {
  /// s(x, t)
  case score
  /// The predicted noise, −σ s
  case noise
  /// Tweedie's E[x_0 | x_t = x]
  case denoised
}

extension ElementwiseCoordinates {
  /// Makes the score of y one of x: s_x = (s_y − k)/e.
  fileprivate func transform(_ s: Rows, at y: Rows) {
    RowStorage.with(y.span, count: 4) { rows in
      decode(y, into: rows[3])
      writeDerivatives(y, of: rows[3], slope: rows[0], logSlope: rows[1], curvature: rows[2])
      for i in 0..<s.size { s.values[i] = (s.values[i] - rows[1].values[i]) / rows[0].values[i] }
    }
  }
}

extension Experiment {
  /// Evaluates the score of points at time t, and writes a CSV file.
  /// - Throws: `ExperimentFailure` after the file is written where some points have no score; these are not a number.
  public func scorePoints(at t: Double, _ files: PointFiles, quantity: PointQuantity) throws {
    guard t > 0, t <= plan.process.duration else {
      throw InputError("is \(written(t)); allowed: above 0, at most \(written(plan.process.duration))", at: "--at")
    }
    let opened = try open(files, areStates: true)
    let (score, data) = (opened.score, opened.data)
    var points = opened.rows
    // Coordinates that are no map of single values have no such derivatives.
    let map = data.coordinates?.elementwise
    if data.coordinates != nil, quantity == .score {
      guard map != nil, points.dimension == data.source.dimension else {
        throw InputError("the score is not known in the units of the data; allowed: noise, denoised", at: "--quantity")
      }
    }
    let moments = plan.prepared.scalarKernel?.moments(at: t)
    guard quantity == .score || moments != nil else {
      throw InputError(
        "is \(quantity.rawValue); \(plan.processKind) has no kernel m(t) x₀ + σ(t) z: allowed: score", at: "--quantity")
    }
    try points.forEachShard(of: score.shardRows, threads: threads) { x in
      try RowStorage.with(x.span, count: 1) { storage in
        let s = storage[0]
        try score.makeEvaluator(for: x.span).evaluate(x, at: .all(t), into: s)
        switch (quantity, moments) {
        case (.noise, let moments?): ck_combine(x.values, -moments.deviation, s.values, 0, s.values, x.size)
        case (.denoised, let moments?):
          ck_combine(x.values, 1 / moments.scale, x.values, moments.variance / moments.scale, s.values, x.size)
        default:
          map?.transform(s, at: x)
          x.copy(s)
        }
      }
    }
    let noise = plan.prepared.noise?.moments(at: t).noiseToSignal
    var failures: [Int: ComputationError] = [:]
    for row in 0..<points.count where !points.row(row).allSatisfy(\.isFinite) {
      let place = try culprit(row, opened, at: t)
      failures[row] = .nonFinite(NonFinite(.score, row: row, time: t, noiseToSignal: noise, place: place))
      for j in 0..<points.dimension { points[row, j] = .nan }
    }
    if quantity == .denoised { points = data.decodedStates(points) }
    try SampleFile.writeCSV(points, to: files.output)
    try PointFailures(failures, in: files).requireNone(summary: "")
  }

  /// Where the score of a row goes wrong; empty where that is not known.
  private func culprit(_ row: Int, _ opened: OpenedPoints, at t: Double) throws -> String {
    var one = Batch(values: Array(opened.rows.row(row)), dimension: opened.rows.dimension)
    return try one.withRows { x in
      let place = RowSpan(first: row, count: 1, dimension: x.dimension)
      return try RowStorage.with(place, count: 1) { storage in
        storage[0].copy(x)
        return try opened.score.makeEvaluator(for: place).culprit(storage[0], at: t) ?? ""
      }
    }
  }
}
