// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Processes

/// Looks for the best times of a solver's N steps, given its process and its score.
///
/// For a solver of the flow the times that `LocalErrors` makes cheapest, and those of the usual grids, are judged by
/// the error at ε from the exact solution of the same rows; `GridRefinement` moves the best of them. On these rows no
/// usual grid is better than what is found. For a solver that adds noise the times are those of the least `Alignment`.
public struct GridSearch: Sendable {
  /// What is solved, with a seed of its own: rows that nobody draws as samples.
  public let sampler: Sampler
  /// The steps.
  public let loop: FixedSteps
  /// How the times are looked for.
  public let grid: OptimisedGrid

  /// - Parameters:
  ///   - sampler: what is solved. Its seed should not be that of samples, which the times are not to be fitted to.
  ///   - loop: the steps; `SamplingSetting.checkable` has let it pass.
  ///   - grid: how the times are looked for.
  public init(_ sampler: Sampler, _ loop: FixedSteps, _ grid: OptimisedGrid) {
    (self.sampler, self.loop, self.grid) = (sampler, loop, grid)
  }

  /// How good a grid is: the root mean square of the error at ε, or the divergence of `Alignment`.
  public struct Figure: Sendable, Equatable, Codable {
    /// The grid: the found one is `optimised`.
    public let grid: String
    /// Its error, or divergence.
    public let value: Double

    /// A grid and its error.
    public init(grid: String, value: Double) { (self.grid, self.value) = (grid, value) }
  }

  /// What was found.
  public struct Found: Sendable, Equatable, Codable {
    /// N + 1 falling times.
    public let times: [Double]
    /// What the figures are: `error` or `divergence`.
    public let quantity: String
    /// Those of the found grid, of the first times, and of the usual grids that are defined for the process.
    public let figures: [Figure]
    /// How many grids were tried.
    public let trials: Int

    /// Times, and how good they are.
    public init(times: [Double], quantity: String, figures: [Figure], trials: Int) {
      (self.times, self.quantity, self.figures, self.trials) = (times, quantity, figures, trials)
    }
  }

  /// The usual grids, of which the found one is to be no worse.
  static let usual: [(name: String, grid: any TimeGrid)] = [
    ("log-snr", LogSignalToNoiseGrid()), ("karras", KarrasGrid()), ("quadratic", QuadraticGrid()),
    ("uniform", UniformGrid()),
  ]

  /// How many values states at all candidates may have.
  private static let mostValues = 1 << 26

  /// - Parameter progress: is told of each of `grid.trials` grids.
  /// - Throws: `ComputationError` where the exact solution cannot be found, or no grid leads to a number.
  public func run(progress: (any ProgressObserver)? = nil) throws -> Found {
    let (setting, steps) = (sampler.problem.setting, loop.steps ?? 1)
    let candidates = CandidateTimes(setting, count: max(grid.candidates, 2 * steps))
    let rows = max(1, min(grid.rows, Self.mostValues / (sampler.problem.stateDimension * (candidates.count + 1))))
    let known = Self.usual.compactMap { name, grid in
      (try? setting.times(steps: steps, grid: grid)).map { (name: name, times: $0) }
    }
    if grid.search(for: loop) == .alignment {
      let alignment = try Alignment(sampler, candidates, rows: rows, progress: nil)
      guard let places = alignment.costs.cheapest(steps: steps) else { throw Self.nothing }
      func divergence(_ times: [Double]) -> Double { alignment.divergence(of: times.map(candidates.place)) }
      let times = places.map { candidates.times[$0] }
      let figures = [("optimised", times)] + known.map { ($0.name, $0.times) }
      return Found(
        times: times, quantity: "divergence",
        figures: figures.map { Figure(grid: $0.0, value: divergence($0.1)) }.filter { $0.value.isFinite }, trials: 0)
    }
    let local = try LocalErrors(sampler, loop, candidates, rows: rows, progress: nil)
    let error = EndError(sampler, loop, exact: local.ends)
    var grids = known
    if let places = local.costs.cheapest(steps: steps) {
      grids.insert(("local-error", places.map { candidates.times[$0] }), at: 0)
    }
    var (figures, best) = ([Figure](), (times: [Double](), differences: [Double]?.none))
    for (name, times) in grids {
      guard let differences = try error.differences(times) else { continue }
      figures.append(Figure(grid: name, value: EndError.size(differences)))
      if EndError.size(differences) < EndError.size(best.differences) { best = (times, differences) }
    }
    guard let differences = best.differences else { throw Self.nothing }
    var refinement = GridRefinement(
      error, candidates, best.times.map(candidates.place), differences: differences)
    try refinement.run(trials: grid.trials, progress: progress)
    // The times as they are where nothing was moved: a place is known to rounding.
    let isMoved = refinement.size < EndError.size(differences)
    let optimised = Figure(grid: "optimised", value: refinement.size)
    return Found(
      times: isMoved ? refinement.times : best.times, quantity: "error", figures: [optimised] + figures,
      trials: error.tried)
  }

  private static var nothing: InputError {
    InputError("grid optimised: no grid of so many steps leads to a number; allowed: more steps, or another grid")
  }
}
