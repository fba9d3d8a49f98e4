// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Glibc
import Processes
import Scores
import Solvers

/// Ancestral sampling of x₀ given y with the exact steps of the reverse process: x_s ~ q(x_s | x_t, x₀), where x₀ is a
/// draw of p(x₀ | x_t, y), and not its mean. No step is too long for that: the law of the steps has no error in their
/// length.
///
/// x₀ is chosen among N candidates of p(x₀ | x_t) by p(y | x₀). One candidate is the x₀ of the step before. With it,
/// choosing leaves p(x₀ | x_t, y) as it is for any N (iterated sampling importance resampling: Andrieu, Lee and Vihola
/// 2018, after Tjelmeland 2004), and so the pair (x₀, x_t) keeps the law p(x₀ | y) q(x_t | x₀) once it has it. What
/// error the first, unconditioned, choice has of order 1/N is forgotten on the way, for as long as there is noise
/// enough to move between modes.
public struct PosteriorTransitions: Solver {
  /// The configured solver, whose times are used.
  public let base: FixedSteps
  /// The law of data.
  public let law: any ConditionalLaw
  /// What was seen.
  public let observation: Observation
  /// N
  public let candidates: Int

  /// - Throws: `InputError` for a solver that is not ancestral sampling.
  public init(_ base: any Solver, law: any ConditionalLaw, observation: Observation, candidates: Int) throws {
    try Self.check(base)
    self.base = base.fixedSteps!
    (self.law, self.observation, self.candidates) = (law, observation, candidates)
  }

  /// - Throws: `InputError` for a solver that is not ancestral sampling.
  public static func check(_ solver: any Solver) throws {
    guard let loop = solver.fixedSteps, loop.corrector == nil, let ancestral = loop.predictor as? Ancestral,
      ancestral.variance == .posterior
    else {
      throw InputError("moves by draws are ancestral steps of their own; allowed: kind ancestral, variance posterior")
    }
  }

  public var steps: Int? { base.steps }
  public var grid: (any TimeGrid)? { base.grid }
  public var requires: Requirements { .kernel }

  public func solve(_ x: Rows, in context: SolveContext) throws -> StepCount {
    let problem = context.problem
    let kernel = try problem.requireKernel(for: "monte-carlo")
    let times = try problem.setting.times(steps: base.steps ?? 0, grid: grid)
    let candidates = Candidates(law, observation, count: candidates, seed: problem.seed, isOneTaken: true)
    let d = x.dimension
    let normals = NoiseStream(seed: problem.seed, purpose: .transition)
    let uniforms = NoiseStream(seed: problem.seed, purpose: .choice)
    return try RowStorage.with(x.span, count: 2) { rows in
      let (origins, z) = (rows[0], rows[1])
      let u = RowStorage(x.span.with(dimension: 1))
      var hasOrigin = [Bool](repeating: false, count: x.count)
      context.started(at: times[0], x)
      for i in 0..<times.count - 1 {
        try StopSignals.check()
        let (later, earlier) = (kernel.moments(at: times[i]), kernel.moments(at: times[i + 1]))
        let (r, q) = earlier.transition(to: later)
        let (v, w) = (earlier.variance, later.variance)
        let (toOrigin, toState) = (earlier.scale * q / w, r * v / w)
        let deviation = (q * v / w).squareRoot()
        normals.normals(into: z, step: i)
        uniforms.uniforms(into: u.rows, step: i)
        for row in 0..<x.count {
          let (state, origin) = (x.values + row * d, origins.values + row * d)
          let logMean = candidates.draw(
            state, row: x.first + row, later, step: i, kept: hasOrigin[row] ? UnsafePointer(origin) : nil)
          _ = candidates.take(u.rows.values[row], into: origin)
          // A point that cannot have made the observation is not worth keeping.
          hasOrigin[row] = logMean > -.infinity
          for j in 0..<d {
            state[j] = toOrigin * origin[j] + toState * state[j] + deviation * z.values[row * d + j]
          }
        }
        try context.finished(step: i + 1, at: times[i + 1], x)
      }
      for row in 0..<x.count { context.score.add(times.count - 1, to: row) }
      return withExtendedLifetime(u) { StepCount(accepted: Double(times.count - 1)) }
    }
  }
}

extension Purpose {
  /// The noise of steps between candidates and states.
  static let transition = Purpose(rawValue: 78)
  /// Which candidate is chosen.
  static let choice = Purpose(rawValue: 79)
}
