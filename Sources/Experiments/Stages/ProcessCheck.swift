// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Evaluation
import Foundation
import Processes
import Scores
import Solvers

/// Whether a process does what it says, on the data of a config: for who has just written one.
struct ProcessCheck {
  /// One thing that was looked at.
  struct Finding {
    let name: String
    /// nil: it could not be looked at, for the reason in `note`.
    let value: Double?
    let allowed: Double?
    let note: String

    init(_ name: String, _ value: Double?, allowed: Double? = nil, _ note: String) {
      self.name = name
      self.value = value
      self.allowed = allowed
      self.note = note
    }

    var passed: Bool {
      guard let value else { return true }
      return value <= allowed ?? .infinity
    }
  }

  let plan: ExperimentPlan
  let dataset: Dataset
  let rows, steps, threads: Int
  /// How much noise may be left at ε, in deviations of the data.
  let tolerance: Double

  private var process: any SDE { plan.process }
  private var duration: Double { process.duration }

  func findings() throws -> [Finding] {
    let training = dataset.training
    // Refuses data that have no logarithm.
    _ = try LearningProblem(process, objective: .denoising, seed: plan.seed).coordinates(training)
    // Rows of data in turn.
    let data = Batch(rows: (0..<rows).map { Array(training.row($0 % training.count)) })
    let ends = try simulated(data)
    return kernelAgainstDrift() + simulationAgainstKernel(data, ends) + [try prior(ends)] + (try samples(data))
      + [try densities()] + proposals()
  }

  /// Of numbers that may not be: NaN wins.
  private func larger(_ a: Double, _ b: Double) -> Double { a.isNaN || b.isNaN ? .nan : max(a, b) }

  private func largest(_ values: [Double]) -> Double { values.reduce(0) { larger($0, abs($1)) } }

  // MARK: The forward process

  private func kernelAgainstDrift() -> [Finding] {
    let name = "kernel against f and G"
    /// - Parameters:
    ///   - bound, nodes: of a kernel that is integrated, which may be wrong by as much.
    func compared(_ worst: Double, bound: Double?, nodes: Int?) -> [Finding] {
      let own = bound.map { bound in
        Finding(
          "error of the integrated kernel", bound, allowed: 1e-3,
          "its bound, relative, with \(nodes ?? 0) nodes; more nodes make it smaller")
      }
      return [
        Finding(
          name, worst, allowed: max(1e-6, bound ?? 0),
          "largest relative difference of its moments from the integrated moment equations")
      ] + (own.map { [$0] } ?? [])
    }
    var times = (1...9).map { duration * pow(Double($0) / 9, 2) }
    func affine(_ process: some AffineSDE) -> [Finding] {
      let kernel = process.makeKernel() ?? IntegratedKernel(of: process)
      let quadrature = AdaptiveQuadrature()
      // Where m vanishes at T, rates are infinite there.
      if kernel.moments(at: duration).scale < 1e-6 { times[8] = 0.999 * duration }
      // From one time to the next: ln m grows by ∫ a, and v/m² by ∫ (g/m)².
      var worst = 0.0
      var (last, earlier) = (kernel.moments(at: 0), 0.0)
      for t in times {
        let now = kernel.moments(at: t)
        let growth = quadrature.integrate(earlier, t) { process.driftRate(at: $0) }
        let noise = quadrature.integrate(earlier, t) { u in
          pow(process.diffusion(at: u) / kernel.moments(at: u).scale, 2)
        }
        worst = larger(worst, abs(log(now.scale / last.scale) - growth))
        let ratio = now.variance / (now.scale * now.scale)
        // There may be no noise yet.
        let grown = last.variance / (last.scale * last.scale) + noise
        if grown != ratio { worst = larger(worst, abs(grown - ratio) / ratio) }
        (last, earlier) = (now, t)
      }
      let integrated = kernel as? IntegratedKernel
      return compared(worst, bound: integrated?.errorBound, nodes: integrated?.nodes)
    }
    func linear(_ process: some LinearSDE) -> [Finding] {
      let (kernel, quadrature) = (process.makeLinearKernel(), AdaptiveQuadrature())
      // Between some vectors u and w: uᵀΦw grows by ∫ uᵀ A Φ w, and uᵀCw by ∫ uᵀ (A C + C Aᵀ + G Gᵀ) w.
      func probe(_ k: Int) -> Matrix {
        Matrix((0..<process.blocks).map { i in [cos(Double(k) * (1 + 1.7 * Double(i)))] })
      }
      let pairs = (1...4).map { (u: probe($0).transpose, w: probe($0 + 4)) }
      func largest(_ matrix: Matrix) -> Double { self.largest(matrix.values) }
      var worst = 0.0
      var (last, earlier) = (kernel.moments(at: 0), 0.0)
      for t in times {
        let now = kernel.moments(at: t)
        func compare(_ now: Matrix, _ last: Matrix, rate: (Double) -> Matrix) {
          let size = Double(process.blocks) * max(largest(now), largest(last))
          for (u, w) in pairs {
            let grown = quadrature.integrate(earlier, t) { (u * rate($0) * w).values[0] }
            worst = larger(worst, abs((u * (now - last) * w).values[0] - grown) / size)
          }
        }
        compare(now.propagator, last.propagator) { process.driftMatrix(at: $0) * kernel.moments(at: $0).propagator }
        compare(now.covariance, last.covariance) { s in
          let flow = process.driftMatrix(at: s) * kernel.moments(at: s).covariance
          let g = process.diffusionMatrix(at: s)
          return flow + flow.transpose + g * g.transpose
        }
        (last, earlier) = (now, t)
      }
      let integrated = kernel as? IntegratedLinearKernel
      return compared(worst, bound: integrated?.errorBound, nodes: integrated?.nodes)
    }
    if let process = process as? any AffineSDE ?? process.logarithm { return affine(process) }
    if let process = process as? any LinearSDE { return linear(process) }
    return [Finding(name, nil, "the process has no kernel")]
  }

  /// States at T, simulated from the data.
  private func simulated(_ data: Batch) throws -> Batch {
    var states = try sampler(score: nil).lifted(data)
    let noise = NoiseStream(seed: plan.seed, purpose: .forward)
    let simulation = ForwardSimulation(of: process, steps: steps)
    try states.forEachShard(threads: threads) { x in simulation.makeWalker(for: x.span).run(x, from: noise) }
    return states
  }

  /// How a mean and a variance of n standardised values may differ from 0 and 1: 4 standard errors, and what a step does.
  private func allowed(_ standardError: Double) -> Double { 4 * standardError + 20 / Double(steps) }

  private func simulationAgainstKernel(_ data: Batch, _ ends: Batch) -> [Finding] {
    let name = "simulation against kernel"
    let isLogarithm = process.logarithm != nil
    guard let linear = (process as? any LinearSDE) ?? process.logarithm else {
      return [Finding(name, nil, "the process has no kernel")]
    }
    let moments = linear.makeLinearKernel().moments(at: duration)
    guard let root = moments.covariance.lowerCholesky else {
      return [Finding(name, .nan, allowed: 0, "the kernel's covariance at T is not positive definite")]
    }
    func inCoordinates(_ batch: Batch) -> Batch {
      isLogarithm ? Batch(values: batch.values.map { log($0) }, dimension: batch.dimension) : batch
    }
    var (start, end) = (inCoordinates(data), inCoordinates(ends))
    var residuals = Batch(count: ends.count, dimension: ends.dimension)
    start.withRows { start in
      end.withRows { end in
        residuals.withRows { residuals in
          end.add(moments.propagator.columns(0..<linear.dataBlocks), start, times: -1)
          residuals.add(root.lowerInverse, end, times: 1)
        }
      }
    }
    let n = Double(rows)
    let columns = (0..<residuals.dimension).map { j in (0..<residuals.count).map { residuals[$0, j] } }
    let means = columns.map { $0.reduce(0, +) / n }
    // What is left of x₀ in them: their covariance with its standardised values.
    let slopes = columns.indices.map { k in
      let values = (0..<rows).map { start[$0, k % start.dimension] }
      let mean = values.reduce(0, +) / n
      let deviation = (values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / n).squareRoot()
      let covariance = zip(columns[k], values).reduce(0) { $0 + $1.0 * ($1.1 - mean) } / n
      return covariance / max(deviation, .leastNormalMagnitude)
    }
    let variances = zip(columns, means).map { column, mean in
      column.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / n - 1
    }
    let note = "of x_T given x_0 in \(rows) rows of \(steps) steps, in the kernel's deviations"
    return [
      Finding("\(name): mean", largest(means + slopes), allowed: allowed((1 / n).squareRoot()), note),
      Finding("\(name): variance − 1", largest(variances), allowed: allowed((2 / n).squareRoot()), note),
    ]
  }

  // MARK: The prior and the way back

  private func distance(_ a: Batch, _ b: Batch) throws -> Double {
    // Distances of positive data are measured in logarithms, where they have moments.
    func coordinates(_ batch: Batch) -> Batch {
      process.logarithm == nil
        ? batch : Batch(values: batch.values.map { log(max($0, .leastNormalMagnitude)) }, dimension: batch.dimension)
    }
    return try SlicedWasserstein().evaluate(
      samples: coordinates(a), heldOut: coordinates(b), seed: plan.seed, threads: threads)
  }

  private func deviation(_ batch: Batch) -> Double {
    let values = process.logarithm == nil ? batch.values : batch.values.map { log($0) }
    let mean = values.reduce(0, +) / Double(values.count)
    return (values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count)).squareRoot()
  }

  private func prior(_ ends: Batch) throws -> Finding {
    let draws = try sampler(score: nil).prior(2 * rows)
    let (first, second) = (draws.prefix(rows), Batch(rows: (rows..<2 * rows).map { Array(draws.row($0)) }))
    let (own, scale) = (try distance(first, second), deviation(second))
    return Finding(
      "prior is reached", try distance(ends, first) / scale, allowed: 2 * own / scale + 0.02,
      "sliced Wasserstein distance of x_T from the prior, in its deviations; of two draws of the prior: "
        + String(format: "%.2g", own / scale))
  }

  /// An exact score, and two sets of data of its law: to compare samples with, and as many fresh data as there are samples.
  private func target(_ data: Batch) -> (score: any Score, heldOut: Batch, fresh: Batch)? {
    if let score = plan.data.law.flatMap({ process.score(of: $0) }) { return (score, dataset.heldOut, data) }
    // The law of the training set: each of its rows as likely.
    let training = dataset.training
    return process.score(of: DataLaw(GaussianMixture(points: training))).map { score in
      let uniforms = NoiseStream(seed: plan.seed, purpose: .data).uniforms(count: rows, dimension: 1, step: 0)
      let fresh = (0..<rows).map { Array(training.row(Int(uniforms[$0, 0] * Double(training.count)))) }
      return (score, training, Batch(rows: fresh))
    }
  }

  private func sampler(score: (any Score)?) -> Sampler {
    Sampler(
      process: process, score: score ?? NoScore(), dimension: plan.data.dimension, seed: plan.seed,
      epsilon: plan.sampling.epsilon, threads: threads)
  }

  private func samples(_ data: Batch) throws -> [Finding] {
    // What is left at ε, and what the steps do.
    let solvers: [(name: String, solver: any Solver, error: Double)] = [
      ("reverse SDE", PredictorCorrector(EulerMaruyama(), steps: steps), 0.02 + 10 / Double(steps)),
      ("probability flow", ProbabilityFlow(.rkf45), 0.03),
    ]
    guard let (score, heldOut, fresh) = target(data) else {
      return solvers.map { Finding("\($0.0) returns to the data", nil, "the process knows no exact score of the data") }
    }
    let scale = max(deviation(heldOut), .leastNormalMagnitude)
    let own = try distance(fresh, heldOut) / scale
    return try solvers.map { name, solver, error in
      let found: Double
      do {
        found = try distance(try sampler(score: score).draw(rows, with: solver).batch, heldOut) / scale
      } catch let error as ComputationError {
        return Finding("\(name) returns to the data", .nan, allowed: 0, error.description)
      }
      return Finding(
        "\(name) returns to the data", found, allowed: 2 * own + error,
        "sliced Wasserstein distance in the data's deviations; of as many fresh data: " + String(format: "%.2g", own))
    }
  }

  private func densities() throws -> Finding {
    let name = "flow's log density"
    guard let law = plan.data.law, let score = process.score(of: law) else {
      return Finding(name, nil, "the data's law, or its exact score, is not known")
    }
    guard plan.data.dimension <= Likelihood.largestExactDimension else {
      return Finding(name, nil, "more than \(Likelihood.largestExactDimension) dimensions")
    }
    let (sampler, epsilon) = (sampler(score: score), plan.sampling.epsilon)
    let likelihood = Likelihood(
      GSLIntegrator(.rk8pd, rtol: 1e-8, atol: 1e-8), epsilon: epsilon, terminal: .exact, divergence: .exact)
    let points = dataset.heldOut.prefix(100)
    let values: [Double]
    do {
      values = try sampler.logDensities(of: points, with: likelihood).values
    } catch let error as ComputationError {
      return Finding(name, .nan, allowed: 0, error.description)
    }
    var states = try sampler.lifted(points)
    let differences = try states.withRows { x in
      var (exact, auxiliary) = ([Double](repeating: 0, count: x.count), [Double](repeating: 0, count: x.count))
      try score.makeEvaluator(for: x.span).logDensity(x, at: .all(epsilon), into: &exact)
      process.auxiliaryLogDensity(x, into: &auxiliary)
      return (0..<x.count).map { values[$0] - (exact[$0] - auxiliary[$0]) }
    }
    return Finding(
      name, largest(differences), allowed: 1e-3,
      "largest difference from the exact one at \(points.count) held-out rows"
    )
  }

  // MARK: Proposals

  private func proposals() -> [Finding] {
    let points = dataset.training.prefix(2000)
    var square = 0.0
    for i in 0..<points.count {
      for j in 0..<i {
        var sum = 0.0
        for k in 0..<points.dimension { sum += (points[i, k] - points[j, k]) * (points[i, k] - points[j, k]) }
        square = max(square, sum)
      }
    }
    let spread = Finding(
      "proposed sigma_max", square.squareRoot(),
      "of a variance-exploding process: the largest distance between \(points.count) data points")
    guard let kernel = process.makeNoiseKernel() else {
      return [spread, Finding("proposed epsilon", nil, "the process has no kernel")]
    }
    let wanted = tolerance * deviation(dataset.training)
    let time = kernel.time(ofNoiseRatio: wanted, from: 0, to: duration)
    let now = kernel.moments(at: plan.sampling.epsilon).noiseRatio / deviation(dataset.training)
    return [
      spread,
      Finding(
        "proposed epsilon", time,
        String(
          format: "noise there is %.2g of the data's deviation; at epsilon %.3g it is %.2g", tolerance,
          plan.sampling.epsilon, now)),
    ]
  }
}

/// For what needs no score.
private struct NoScore: Score {
  func makeEvaluator(for rows: RowSpan) throws -> any ScoreEvaluator { throw InputError("there is no score") }
}

extension Experiment {
  /// Looks at the config's process: whether kernel and drift agree, whether the prior is reached, whether the reverse process
  /// returns to the data under the exact score; and proposes σ_max and ε. Trains and writes nothing, except `output`: a CSV file
  /// with a row for each finding.
  /// - Returns: a table for the terminal.
  /// - Throws: `ExperimentFailure` with that table where something is not as it should be.
  public func checkProcess(rows: Int, steps: Int, tolerance: Double, output: String? = nil) throws -> String {
    if let output { try PointFiles(input: nil, output: output).requireWritable() }
    let check = ProcessCheck(
      plan: plan, dataset: try plan.data.load(seed: plan.seed), rows: rows, steps: steps, threads: threads,
      tolerance: tolerance)
    let bar = ProgressBar("check \(plan.name)", total: nil, quiet: quiet)
    defer { bar.finish() }
    let findings = try check.findings()
    bar.finish()
    func number(_ value: Double?) -> String { value.map { $0.isNaN ? "nan" : String(format: "%.3g", $0) } ?? "" }
    var lines = [["check", "found", "allowed", "", "what"]]
    var csv = "check,found,allowed,passed,what\n"
    for finding in findings {
      let verdict = finding.value == nil ? "skipped" : finding.allowed == nil ? "" : finding.passed ? "ok" : "FAILS"
      lines.append([finding.name, number(finding.value), number(finding.allowed), verdict, finding.note])
      csv +=
        "\(finding.name),\(finding.value.map { "\($0)" } ?? ""),\(finding.allowed.map { "\($0)" } ?? ""),"
        + "\(finding.value == nil ? "" : "\(finding.passed)"),\"\(finding.note)\"\n"
    }
    if let output { try writeWhole(Data(csv.utf8), to: output) }
    let table = TextTable(lines, endsInProse: true).text
    let failures = findings.filter { !$0.passed }.map { finding in
      "\(plan.name): \(finding.name): \(number(finding.value)); allowed: at most \(number(finding.allowed))"
    }
    if !failures.isEmpty { throw ExperimentFailure(reasons: failures, summary: table) }
    return table
  }
}
