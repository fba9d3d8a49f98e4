// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Processes

/// Whether the range of the noise suits the data: from less than its finest structure to more than its largest
/// distance.
struct NoiseWarnings {
  let plan: ExperimentPlan
  let preview: DataPreview

  var lines: [(key: String, text: String)] {
    guard preview.seen.count > 1 else { return [] }
    return tooLittle + tooMuch + untrained
  }

  private var inner: PreparedProcess { plan.prepared.transformed?.process ?? plan.prepared }

  /// A variance-exploding process should end in noise as wide as the data's largest distance, so that every two rows
  /// overlap (Song and Ermon 2020).
  private var tooLittle: [(key: String, text: String)] {
    // Paths from a source end in its rows, however little noise there is.
    guard plan.model.source == nil, let kernel = plan.prepared.scalarKernel else { return [] }
    let end = kernel.moments(at: plan.process.duration)
    guard end.scale == 1 else { return [] }
    let distance = preview.seen.diameter
    guard end.deviation < distance else { return [] }
    let other = preview.isStandardised ? "" : ", or coordinates: [{kind: standardise}]"
    return [
      (
        "process",
        "σ(T) = \(short(end.deviation)) is below the largest distance between two rows, which is \(short(distance)), so "
          + "that samples may miss what lies far apart; remedy: sigma_max: \(roundedUp(distance))\(other)"
      )
    ]
  }

  /// With noise of r deviations of a structure left at ε, Tweedie's mean makes it 1/√(1 + r²) as wide: 0.95 at r =
  /// 0.33.
  private var tooMuch: [(key: String, text: String)] {
    guard let kernel = inner.scalarKernel, let (finest, what) = finestStructure else { return [] }
    let noise = kernel.moments(at: plan.sampling.epsilon).noiseToSignal
    let width = 1 / (1 + noise * noise / (finest * finest)).squareRoot()
    guard 1 - width > PriorWarning.tolerance else { return [] }
    let time = kernel.time(ofNoiseToSignal: 0.3 * finest, from: 0, to: inner.duration)
    let isEnough = time > 0 && kernel.moments(at: time).noiseToSignal <= 0.31 * finest
    let remedy = isEnough ? "sampling.epsilon: \(short(time)) or less" : "less noise at t = 0, as a smaller sigma_min"
    return [
      (
        "sampling",
        "epsilon \(short(plan.sampling.epsilon)) leaves noise σ/m = \(short(noise)) beside a structure as fine as "
          + "\(short(finest)) (\(what)), which comes out \(short(width)) times as wide; remedy: \(remedy)"
          + (preview.isStandardised || preview.image != nil ? "" : ", or coordinates: [{kind: standardise}]")
      )
    ]
  }

  /// A network is not asked for times with less noise than it ever saw.
  private var untrained: [(key: String, text: String)] {
    guard let training = plan.training, plan.sampling.epsilon < training.epsilon, !plan.sampling.solvers.isEmpty else {
      return []
    }
    if let kernel = inner.kernel {
      let (asked, seen) = (kernel.moments(at: plan.sampling.epsilon), kernel.moments(at: training.epsilon))
      guard asked.noiseToSignal < 0.9 * seen.noiseToSignal else { return [] }
    }
    return [
      (
        "sampling",
        "epsilon \(short(plan.sampling.epsilon)) is below training.epsilon, which is \(short(training.epsilon)): the "
          + "network never sees such times; remedy: sampling.epsilon: \(short(training.epsilon)) or more"
      )
    ]
  }

  /// The smallest deviation that is known: of a component of the law, of a column, or of what lies closest together.
  private var finestStructure: (size: Double, what: String)? {
    var found: [(size: Double, what: String)] = []
    if let law = preview.law {
      if let least = law.smallestDeviation, least > 0 { found.append((least, "the narrowest component")) }
    } else {
      let columns = ColumnMoments(preview.seen)
      if preview.image != nil {
        found.append((columns.deviation, "the deviation of all values"))
      } else {
        let moving = columns.deviations.indices.filter { columns.deviations[$0] > 0 }
        if let least = moving.min(by: { columns.deviations[$0] < columns.deviations[$1] }) {
          found.append((columns.deviations[least], "the deviation of column \(least)"))
        }
      }
      found.append((preview.seen.closeness, "rows that lie closest together"))
    }
    return found.filter { $0.size > 0 }.min { $0.size < $1.size }
  }

  /// Two digits, rounded up.
  private func roundedUp(_ value: Double) -> String {
    let unit = pow(10, floor(log10(value)) - 1)
    return short((value / unit).rounded(.up) * unit)
  }
}

extension Batch {
  /// A lower bound of the largest distance between two rows, which it mostly is: from the mean to the farthest row,
  /// from there to the farthest, and once more.
  var diameter: Double {
    guard count > 1 else { return 0 }
    func farthest(from point: [Double]) -> (row: Int, square: Double) {
      var best = (row: 0, square: 0.0)
      for i in 0..<count {
        let square = (0..<dimension).reduce(0.0) {
          $0 + (self[i, $1] - point[$1]) * (self[i, $1] - point[$1])
        }
        if square > best.square { best = (i, square) }
      }
      return best
    }
    var point = Array(ColumnMoments(self).means)
    var square = 0.0
    for round in 0..<3 {
      let next = farthest(from: point)
      if round > 0 { square = max(square, next.square) }
      point = Array(row(next.row))
    }
    return square.squareRoot()
  }

  /// The deviation of a normal law in as many dimensions whose pairs would be as close as the closest 5 % here: that of
  /// clusters, where the data have some twenty or fewer; 0 where more than 5 % of the pairs are equal.
  ///
  /// Two draws of N(0, s² I) have a squared distance of 2 s² χ²_D, whose quantile of 5 % is by Wilson and Hilferty
  /// (1931) D (1 − 2/(9D) − 1.645 √(2/(9D)))³.
  var closeness: Double {
    let rows = Swift.min(count, Swift.max(2, Swift.min(400, Int((2e7 / Double(dimension)).squareRoot()))))
    guard rows > 20 else { return 0 }
    var squares: [Double] = []
    squares.reserveCapacity(rows * (rows - 1) / 2)
    for i in 0..<rows {
      for k in 0..<i {
        squares.append((0..<dimension).reduce(0.0) { $0 + (self[i, $1] - self[k, $1]) * (self[i, $1] - self[k, $1]) })
      }
    }
    squares.sort()
    let d = Double(dimension)
    // Below three dimensions the formula is coarse: the exact quantiles.
    let quantile =
      dimension == 1
      ? 0.00393 : dimension == 2 ? 0.1026 : d * pow(1 - 2 / (9 * d) - 1.645 * (2 / (9 * d)).squareRoot(), 3)
    return (squares[squares.count / 20] / (2 * quantile)).squareRoot()
  }
}
