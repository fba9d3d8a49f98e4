// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Processes
import Scores

/// Log densities by the map of the probability flow, carried from ε to T in N steps of a grid t_0 = ε, …, t_N = T:
///
///     log p_ε(x) = log p_T(x_N) + Σ_i ln |det ∂X_{t_i→t_{i+1}}/∂x (x_i)|,   x_{i+1} = X_{t_i→t_{i+1}}(x_i),   x_0 = x.
///
/// With exact determinants it is the density of what the map is a map of: the law that the inverse of the N steps makes
/// of the terminal density.
public struct FlowMapLikelihood: Sendable {
  /// N
  public let steps: Int
  /// Where steps begin and end.
  public let grid: any TimeGrid
  /// ε
  public let epsilon: Double
  /// The density at T.
  public let terminal: Likelihood.Terminal
  /// How determinants are found.
  public let determinant: LogDeterminant

  /// - Parameters:
  ///   - steps: N, at least 1.
  ///   - grid: where steps begin and end.
  ///   - epsilon: ε, at least the smallest time that the map knows.
  ///   - terminal: the density at T.
  ///   - determinant: how determinants are found.
  public init(
    steps: Int, grid: any TimeGrid = LogSignalToNoiseGrid(), epsilon: Double,
    terminal: Likelihood.Terminal = .prior, determinant: LogDeterminant
  ) {
    precondition(steps > 0 && epsilon >= 0)
    (self.steps, self.grid, self.epsilon) = (steps, grid, epsilon)
    (self.terminal, self.determinant) = (terminal, determinant)
  }

  /// What process and score must offer.
  public var requires: Requirements { terminal == .exact ? [.flowMap, .kernel, .logDensity] : [.flowMap, .kernel] }

  /// The times of the steps, rising.
  /// - Throws: `InputError` where the map, the dimension or the grid does not allow these densities.
  /// - Parameters:
  ///   - process: with its kernel and prior.
  ///   - traits: what the score offers.
  ///   - map: between which times the map maps; nil: there is none.
  ///   - dimension: of a row.
  @discardableResult
  public func times(
    _ process: PreparedProcess, traits: ScoreTraits, map: FlowMapRange?, dimension: Int
  ) throws -> [Double] {
    let setting = SamplingSetting(process, epsilon: epsilon, grid: grid, traits: traits, map: map)
    try setting.require(requires)
    guard let map else { return [] }
    guard map.goesForward else {
      throw InputError(
        "the network maps from large times to small ones alone; allowed: objective lagrangian with forward above 0")
    }
    guard map.reaches(epsilon) else {
      throw InputError("epsilon is \(epsilon), and the network knows times from \(map.end) on; allowed: that or more")
    }
    switch determinant {
    case .divergence where !map.hasDivergence:
      throw InputError("the network has no divergence; allowed: jacobian, or a network with divergence: true")
    case .jacobian where dimension > Likelihood.largestExactDimension:
      throw InputError(
        "a Jacobian is for at most \(Likelihood.largestExactDimension) dimensions; there are \(dimension); allowed: "
          + "divergence, of a network that has it")
    default: return try setting.times(steps: steps, grid: grid).reversed()
    }
  }
}

extension Sampler {
  /// The log density of given points by the map of the flow: `FlowMapLikelihood`. Rows are independent of each other,
  /// and of the number of threads.
  /// - Parameters:
  ///   - points: rows × dimension.
  ///   - likelihood: how densities are computed.
  ///   - badRows: whether a row that cannot be carried fails the others, too.
  ///   - progress: who is told of every step.
  /// - Throws: `InputError` where the map or the dimension does not allow it; `ComputationError` with row and time
  ///   where a state stops being finite.
  public func logDensities(
    of points: Batch, with likelihood: FlowMapLikelihood, badRows: BadRows = .fail,
    progress: (any ProgressObserver)? = nil
  ) throws -> LogDensities {
    let times = try likelihood.times(
      problem.prepared, traits: problem.setting.traits, map: problem.map?.range, dimension: points.dimension)
    return try logDensities(of: points, likelihood.terminal, badRows, progress, hasErrors: false) { x, context, out in
      let (next, determinants) = (context.makeRows(), RowStorage(x.span.with(dimension: 1)))
      for row in 0..<x.count { out[2 * row] = 0 }
      try withExtendedLifetime(determinants) {
        for step in 0..<likelihood.steps {
          try context.map(
            x, from: times[step], to: times[step + 1], into: next, likelihood.determinant,
            logDeterminants: determinants.rows.values)
          x.copy(next)
          for row in 0..<x.count { out[2 * row] += determinants.rows[row, 0] }
          try context.finished(step: step + 1, at: times[step + 1], x)
        }
      }
      return StepCount(accepted: Double(likelihood.steps))
    }
  }
}
