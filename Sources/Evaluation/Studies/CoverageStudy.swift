// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// How often the 95 % intervals of metrics cover what they claim to: the expected value of the metric at these counts,
/// which is the value between the two laws where the metric is unbiased.
///
/// Samples and held-out rows are drawn anew in every repeat from two laws that are known. The expected value is the
/// mean over repeats of their own, with other random numbers; its standard error is that of the metric over √repeats,
/// so that it shifts an interval by a fraction 1/√repeats of its deviation.
public struct CoverageStudy: Sendable {
  /// Two laws that samples and held-out rows come from.
  public struct Problem: Sendable {
    /// A few words.
    public let name: String
    /// The laws of samples and of held-out rows.
    public let samples, data: ClusterLaw

    /// Two laws under a name.
    public init(_ name: String, samples: ClusterLaw, data: ClusterLaw) {
      (self.name, self.samples, self.data) = (name, samples, data)
    }
  }

  /// A metric's coverage on a problem.
  public struct Result: Sendable, Equatable {
    /// The names of the problem and of the metric.
    public let problem, metric: String
    /// How many samples and held-out rows there were, and how many repeats.
    public let count, repeats: Int
    /// The expected value, and its standard error.
    public let expected, standardError: Double
    /// The standard deviation of the metric over repeats.
    public let deviation: Double
    /// The root mean square of half the length of the intervals, over 1.96 standard deviations: 1 where the interval is
    /// as long as that of a normal law of known deviation.
    public let relativeLength: Double
    /// How many intervals lay below the expected value, covered it, and lay above; repeats without an interval cover
    /// nothing, and count as below.
    public let below, covered, above: Int

    /// Counts which intervals cover the mean of other values.
    /// - Parameters:
    ///   - problem: its name.
    ///   - metric: its name.
    ///   - count: how many rows each interval is of.
    ///   - intervals: of the repeats; at least two.
    ///   - others: the metric in other repeats; at least two. Their mean is the expected value.
    public init(problem: String, metric: String, count: Int, intervals: [Estimate], others: [Double]) {
      func spread(_ values: [Double]) -> Double {
        let mean = values.reduce(0, +) / Double(values.count)
        return (values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count - 1)).squareRoot()
      }
      let expected = others.reduce(0, +) / Double(others.count)
      var (below, covered, above, lengths) = (0, 0, 0, 0.0)
      for estimate in intervals {
        guard let low = estimate.low, let high = estimate.high else {
          below += 1
          continue
        }
        // Above the value, as an interval may be cut below it.
        lengths += (high - estimate.value) * (high - estimate.value)
        if high < expected { below += 1 } else if low > expected { above += 1 } else { covered += 1 }
      }
      (self.problem, self.metric, self.count, repeats) = (problem, metric, count, intervals.count)
      (self.below, self.covered, self.above, self.expected) = (below, covered, above, expected)
      standardError = spread(others) / Double(others.count).squareRoot()
      deviation = spread(intervals.map(\.value))
      relativeLength = (lengths / Double(repeats)).squareRoot() / (1.96 * deviation)
    }

    /// The share of intervals that cover.
    public var coverage: Double { Double(covered) / Double(repeats) }
    /// Wilson's 95 % interval of the coverage.
    public var coverageInterval: (low: Double, high: Double) {
      let (p, n, z) = (coverage, Double(repeats), 1.959_963_984_540_054)
      let middle = (p + z * z / (2 * n)) / (1 + z * z / n)
      let reach = z / (1 + z * z / n) * (p * (1 - p) / n + z * z / (4 * n * n)).squareRoot()
      return (middle - reach, middle + reach)
    }
  }

  /// How many intervals there are, and how many samples and held-out rows each has.
  public let repeats, count: Int
  /// How many sets of samples each interval is the mean of, all judged by the same held-out rows
  /// (`evaluation.repeats`).
  public let sets: Int
  /// Keys all random numbers.
  public let seed: UInt64
  /// How many repeats are computed at a time; results do not depend on it.
  public let threads: Int

  /// - Parameters:
  ///   - repeats: how many intervals, and how many values the expected one is the mean of.
  ///   - count: how many samples and held-out rows.
  ///   - sets: how many sets of samples each interval is the mean of.
  ///   - seed: keys all random numbers.
  ///   - threads: how many repeats are computed at a time.
  public init(
    repeats: Int = 500, count: Int = 500, sets: Int = 1, seed: UInt64 = 7, threads: Int = Shards.processors
  ) {
    precondition(repeats > 1 && count > 1 && sets > 0)
    (self.repeats, self.count, self.sets, self.seed, self.threads) = (repeats, count, sets, seed, threads)
  }

  /// - Throws: what the metric throws.
  public func run(_ name: String, _ metric: any Metric, on problem: Problem) throws -> Result {
    Result(
      problem: problem.name, metric: name, count: count, intervals: try estimates(metric, problem, first: 0),
      others: try estimates(metric, problem, first: repeats, valueOnly: true).map(\.value))
  }

  private func estimates(
    _ metric: any Metric, _ problem: Problem, first: Int, valueOnly: Bool = false
  ) throws -> [Estimate] {
    let training = problem.data.draw(count, seed: seed, purpose: .data, step: 0)
    var estimates = [Estimate](repeating: Estimate(0), count: repeats)
    try estimates.withSharedMemory { estimates in
      try Shards(rows: repeats, size: 1).forEach(threads: threads) { index, _ in
        let step = first + index + 1
        let heldOut = problem.data.draw(count, seed: seed, purpose: .heldOutData, step: step)
        let reference = Reference(
          heldOut: heldOut.rows, heldOutConditions: .labels(heldOut.clusters), training: training.rows,
          trainingConditions: .labels(training.clusters))
        let each = try (0..<sets).map { set in
          let samples = problem.samples.draw(
            count, seed: seed, purpose: .prior, step: (first + index) * sets + set + 1)
          let comparison = Comparison(
            samples: samples.rows, sampleConditions: .labels(samples.clusters), reference: reference, seed: seed,
            threads: 1)
          return valueOnly ? Estimate(try metric.evaluate(comparison)) : try metric.estimate(comparison)
        }
        estimates.pointer[index] = .average(each)
      }
    }
    return estimates
  }
}

/// A mixture of normal laws with a common deviation: clusters.
public struct ClusterLaw: Sendable {
  /// How many values a row has.
  public let dimension: Int
  /// The first coordinates of each cluster's mean; the others are 0.
  public let means: [[Double]]
  /// The weights of the clusters, up to a factor.
  public let weights: [Double]
  /// The deviation of every coordinate within a cluster.
  public let deviation: Double

  /// - Parameters:
  ///   - dimension: of a row.
  ///   - means: the first coordinates of each cluster's mean; the others are 0.
  ///   - weights: of the clusters; nil for equal ones.
  ///   - deviation: of every coordinate within a cluster.
  public init(dimension: Int, means: [[Double]], weights: [Double]? = nil, deviation: Double = 1) {
    self.dimension = dimension
    self.means = means
    self.weights = weights ?? means.map { _ in 1 }
    self.deviation = deviation
  }

  /// Rows, and the cluster of each.
  func draw(_ count: Int, seed: UInt64, purpose: Purpose, step: Int) -> (rows: Batch, clusters: [Int]) {
    let stream = NoiseStream(seed: seed, purpose: purpose)
    var rows = stream.normals(count: count, dimension: dimension, step: 2 * step)
    let uniforms = stream.uniforms(count: count, dimension: 1, step: 2 * step + 1)
    let total = weights.reduce(0, +)
    let clusters = uniforms.values.map { uniform -> Int in
      var (cluster, left) = (0, uniform * total)
      while cluster + 1 < weights.count && left >= weights[cluster] {
        (cluster, left) = (cluster + 1, left - weights[cluster])
      }
      return cluster
    }
    for i in 0..<count {
      let mean = means[clusters[i]]
      for j in 0..<dimension { rows[i, j] = deviation * rows[i, j] + (j < mean.count ? mean[j] : 0) }
    }
    return (rows, clusters)
  }
}
