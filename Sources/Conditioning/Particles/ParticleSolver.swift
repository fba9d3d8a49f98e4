// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core
import Glibc
import Processes
import Scores
import Solvers

/// Sequential Monte Carlo along the reverse process: every row has particles of its own, which are moved towards its
/// observation, weighted for what that made wrong, and resampled where few of them count. One of them, drawn by its
/// weight, is the sample. In the limit of many particles its law is p(x | y) up to the steps' own error, whatever the
/// method; with P particles its bias is of order 1/P.
///
/// The product of the mean weights is an unbiased estimate of p(y), which the record has.
public struct ParticleSolver: Solver {
  /// The configured solver, whose steps are taken.
  public let base: FixedSteps
  /// How particles are proposed and weighted.
  public let method: any ParticleMethod
  /// The score without an observation; row i of it is for particle i mod P of row i / P.
  public let score: any Score
  /// What was seen.
  public let observation: Observation
  /// P
  public let particles: Int
  /// Particles are resampled where their effective number is below this share of them.
  public let share: Double
  /// Where effective numbers and evidence are kept.
  public let record: ParticleRecord
  private let predictor: any GaussianPredictor

  /// - Throws: `InputError` for a solver whose steps are no Gaussian draws.
  public init(
    _ base: any Solver, method: any ParticleMethod, score: any Score, observation: Observation, particles: Int,
    share: Double, record: ParticleRecord = ParticleRecord()
  ) throws {
    precondition(particles > 0)
    predictor = try Self.predictor(of: base)
    self.base = base.fixedSteps!
    (self.method, self.score, self.observation) = (method, score, observation)
    (self.particles, self.share, self.record) = (particles, share, record)
  }

  /// The predictor that particles can take the steps of.
  /// - Throws: `InputError` for a solver whose steps are no Gaussian draws.
  @discardableResult
  public static func predictor(of solver: any Solver) throws -> any GaussianPredictor {
    guard let loop = solver.fixedSteps, loop.corrector == nil, let predictor = loop.predictor as? any GaussianPredictor,
      predictor.isStochastic
    else {
      throw InputError(
        "particles are weighted by the density of their steps, which a flow, a corrector or adaptive steps do not have; "
          + "allowed: ancestral, reverse-diffusion, euler-maruyama, ddim with eta above 0")
    }
    return predictor
  }

  public var steps: Int? { base.steps }
  public var grid: (any TimeGrid)? { base.grid }
  public var requires: Requirements { [.kernel] }

  public func solve(_ x: Rows, in context: SolveContext) throws -> StepCount {
    let problem = context.problem
    let times = try problem.setting.times(steps: base.steps ?? 0, grid: grid)
    let n = particles
    guard (x.first + x.count) <= Int(UInt32.max) / n else {
      throw InputError("row \(x.first + x.count) with \(n) particles; allowed: 2³² particles in all")
    }
    let span = RowSpan(first: x.first * n, count: x.count * n, dimension: x.dimension)
    let y = RowStorage(span.with(dimension: observation.model.observedDimension))
    for i in 0..<y.rows.count {
      let values = observation.values.row(observation.index(ofRow: x.first + i / n))
      for (j, value) in values.enumerated() { y.rows[i, j] = value }
    }
    let stepper = try method.makeStepper(
      for: span, score: score.makeEvaluator(for: span), observation: y.rows, in: problem)
    defer { withExtendedLifetime(y) {} }
    return try RowStorage.with(span, count: 3) { rows in
      let (states, normals, spare) = (rows[0], rows[1], rows[2])
      problem.prior.draw(into: states, from: NoiseStream(seed: problem.seed, purpose: .particlePrior))
      var population = Population(rows: x.count, each: n, seed: problem.seed, first: x.first)
      let (potential, last, correction) = (Numbers(span.count), Numbers(span.count), Numbers(span.count))
      let stream = NoiseStream(seed: problem.seed, purpose: .particles)
      try stepper.weigh(states, at: times[0], into: potential.values)
      population.add { potential[$0] }
      var history = [ParticleRecord.Row](repeating: .init(), count: x.count)
      // An observer sees the first particle of every row.
      func show() {
        for row in 0..<x.count {
          x.row(row).copy(states.row(row * n))
          let state = population.state(of: row)
          history[row].effective.append(state.effective)
          history[row].logEvidence.append(state.logEvidence)
        }
      }
      show()
      context.started(at: times[0], x)
      for i in 0..<times.count - 1 {
        if let parents = population.resample(below: share, step: i) {
          states.gather(parents, spare: spare)
          potential.gather(parents)
          stepper.resample(parents)
        }
        let step = Step(from: times[i], to: times[i + 1], index: i, count: times.count - 1)
        guard let transition = predictor.transition(from: step.from, to: step.to, of: problem.prepared) else {
          throw InputError("particles need steps with noise; the process has none of \(base.predictor)")
        }
        stream.normals(into: normals, step: i)
        stepper.move(states, step, transition, normals: normals, into: correction.values)
        let bad = ck_first_nonfinite(states.values, states.size)
        if bad < states.size {
          throw ComputationError.nonFinite(
            .state(row: x.first + bad / states.dimension / n, step: i + 1, time: times[i + 1]))
        }
        last.values.update(from: potential.values, count: span.count)
        try stepper.weigh(states, at: times[i + 1], into: potential.values)
        population.add { potential[$0] + correction[$0] - last[$0] }
        show()
        try context.finished(step: i + 1, at: times[i + 1], x)
      }
      for (row, chosen) in population.draw(step: times.count).enumerated() { x.row(row).copy(states.row(chosen)) }
      record.keep(history, first: x.first)
      for row in 0..<x.count { context.score.add(n * times.count * method.evaluationsPerStep, to: row) }
      return StepCount(accepted: Double(times.count - 1))
    }
  }
}

extension Purpose {
  /// The steps of particles.
  static let particles = Purpose(rawValue: 72)
  /// Where particles begin.
  static let particlePrior = Purpose(rawValue: 73)
  /// Which particles are copied, and which is the sample.
  static let resampling = Purpose(rawValue: 75)
}
