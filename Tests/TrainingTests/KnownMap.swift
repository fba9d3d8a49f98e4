// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Models
import Networks
import Processes
import Scores
import Tensors
import Training

/// A network whose map is known: for data N(0, σ_d² I) under σ(t) = t the flow is X_{t→s}(x) = x √((σ_d² + s²)/(σ_d² +
/// t²)), and that is the map of `edm` prediction with F = tan((τ_t − τ_s)/2) · input, τ = arctan(t/σ_d). To F it adds
/// W [input, 1, τ's sine and cosine of both times] with a parameter W that begins as zeros: where a loss is least for
/// the true map its gradient by W is 0.
struct KnownMap: Network {
  let dimension = 2
  let layout: ParameterLayout
  /// σ_d
  let deviation: Double
  /// T
  let duration: Double
  /// ε, where the network is told no second time.
  let end: Double
  let takesSecond: Bool
  /// What F is multiplied by: 1 is the true map.
  var factor: Float = 1
  /// Whether it has a divergence, H, which for this law is 0: a second W makes it.
  let hasDivergence: Bool
  private let weight: Int

  init(deviation: Double, duration: Double, end: Double, second: Bool, divergence: Bool = false) {
    (self.deviation, self.duration, self.end, takesSecond) = (deviation, duration, end, second)
    hasDivergence = divergence
    var builder = LayerBuilder()
    weight = builder.parameter("w", shape: [2, 7], .zeros)
    if divergence { _ = builder.parameter("h", shape: [1, 7], .zeros) }
    layout = builder.layout
  }

  var noiseInput: NoiseLevelInput { .time }
  func initialParameters(seed: UInt64) -> [Float] { [Float](repeating: 0, count: layout.count) }

  /// cos τ and sin τ of a column of levels 1000 t/T.
  private func angle(_ level: Tensor, _ rows: Int, _ tape: Tape) -> (cosine: Tensor, sine: Tensor) {
    let all = level.rows == rows ? level : tape.repeatRow(level, rows: rows)
    let t = tape.scale(all, by: Float(duration / 1000 / deviation))
    let ones = tape.constant(rows: rows, columns: 1)
    ones.values.update(repeating: 1, count: rows)
    let cosine = tape.power(tape.sum(1, tape.product(t, t), 1, ones), -0.5)
    return (cosine, tape.product(t, cosine))
  }

  func forward(_ x: Tensor, noiseLevel: Tensor, second: Tensor?, condition: Tensor?, on tape: Tape) -> Tensor {
    outputs(x, noiseLevel, second, tape).map
  }

  func forwardWithDivergence(
    _ x: Tensor, noiseLevel: Tensor, second: Tensor?, condition: Tensor?, on tape: Tape
  ) -> Tensor {
    let (map, features) = outputs(x, noiseLevel, second, tape)
    return tape.concatenate(map, tape.matrixProduct(features, tape.parameter(weight + 1), transposeB: true))
  }

  private func outputs(
    _ x: Tensor, _ noiseLevel: Tensor, _ second: Tensor?, _ tape: Tape
  ) -> (map: Tensor, features: Tensor) {
    let first = angle(noiseLevel, x.rows, tape)
    let last: (cosine: Tensor, sine: Tensor)
    if takesSecond {
      last = angle(second ?? noiseLevel, x.rows, tape)
    } else {
      let level = tape.constant(rows: 1, columns: 1)
      level.values[0] = Float(1000 * end / duration)
      last = angle(level, x.rows, tape)
    }
    let ones = tape.constant(rows: x.rows, columns: 1)
    ones.values.update(repeating: 1, count: x.rows)
    let cosine = tape.sum(1, tape.product(first.cosine, last.cosine), 1, tape.product(first.sine, last.sine))
    let sine = tape.sum(1, tape.product(first.sine, last.cosine), -1, tape.product(first.cosine, last.sine))
    let tangent = tape.product(sine, tape.power(tape.sum(1, cosine, 1, ones), -1))
    let exact = tape.scale(tape.product(x, tape.repeatColumn(tangent, columns: 2)), by: factor)
    var features = tape.concatenate(x, ones)
    for part in [first.cosine, first.sine, last.cosine, last.sine] { features = tape.concatenate(features, part) }
    return (
      tape.sum(1, exact, 1, tape.matrixProduct(features, tape.parameter(weight), transposeB: true)), features
    )
  }
}

/// The problem of which the map is known.
struct KnownProblem {
  let process = PreparedProcess(VESDE(LinearSigma(8)))
  let deviation = 0.7
  let end = 0.05

  func model(second: Bool, factor: Float = 1, divergence: Bool = false) -> ScoreModel {
    var network = KnownMap(
      deviation: deviation, duration: process.duration, end: end, second: second, divergence: divergence)
    network.factor = factor
    return ScoreModel(
      network, parameters: network.initialParameters(seed: 1), prediction: .edm, kernel: process.kernel!,
      duration: process.duration, dataDeviation: deviation)
  }

  var law: DataLaw {
    get throws { DataLaw(try GaussianMixture(weights: [1], means: [[0, 0]], deviations: [deviation])) }
  }
  var teacher: Teacher { get throws { .score(process.exactScore(of: try law)!) } }

  func times(_ model: ScoreModel) -> TrainingTimes {
    TrainingTimes(
      TrainingPlan(steps: 1, noiseLevels: .logNormal, logMean: 0, logDeviation: 1.2, epsilon: end),
      kernel: model.kernel,
      duration: model.duration)
  }

  /// The mean loss of several batches of the law's draws, and its gradient.
  func loss(
    _ objective: any Objective, batches: Int = 1, rows: Int = 256, parameters: [Float]? = nil, step: Int = 5000
  ) -> (value: Double, gradient: [Double]) {
    let network = objective.network
    let parameters = parameters ?? network.initialParameters(seed: 1)
    let times = (0..<rows).map { objective.times.time(atQuantile: (Double($0) + 0.5) / Double(rows)) }
    var sum = 0.0
    var total = [Double](repeating: 0, count: network.layout.count)
    for batch in 0..<batches {
      let data = NoiseStream(seed: 3, purpose: .data).normals(count: rows, dimension: 2, step: batch).values.map {
        Float(deviation * $0)
      }
      let run = ObjectiveRun(objective, parameters: parameters, data: data, times: times)
      sum += run.take(step: step + batch)
      for (i, slope) in run.gradient.enumerated() { total[i] += Double(slope) / Double(batches) }
    }
    return (sum / Double(batches), total)
  }
}
