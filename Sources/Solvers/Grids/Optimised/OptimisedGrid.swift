// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Processes

/// The best N times for one solver of one score, which `GridSearch` finds. Until they are found it stands for them, and
/// has no times: whoever draws puts `ListedTimes` in its place.
public struct OptimisedGrid: TimeGrid, Equatable {
  /// What the sum over steps is that the first times make least.
  public enum Search: String, Sendable, CaseIterable {
    /// Local errors for solvers of the flow, alignment for those that add noise.
    case auto
    /// The error of each step from the exact path, as it is at ε (`LocalErrors`).
    case localError = "local-error"
    /// What the denoised mean changes by within a step (`Alignment`).
    case alignment
  }

  /// How the first times are found.
  public let search: Search
  /// How many rows are solved.
  public let rows: Int
  /// Among how many intervals the first times choose theirs.
  public let candidates: Int
  /// How many grids are tried, after the first ones, for a smaller error at ε; 0: the best of the first ones is taken.
  public let trials: Int

  /// - Parameters:
  ///   - search: how the first times are found.
  ///   - rows: how many rows are solved, at least 1.
  ///   - candidates: among how many intervals the first times choose theirs; twice the number of steps if that is more.
  ///   - trials: how many grids are tried, after the first ones, for a smaller error at ε.
  public init(search: Search = .auto, rows: Int = 256, candidates: Int = 64, trials: Int = 300) {
    precondition(rows > 0 && candidates > 0 && trials >= 0)
    (self.search, self.rows, self.candidates, self.trials) = (search, rows, candidates, trials)
  }

  /// - Throws: `InputError`: nobody has looked for the times.
  public func times(
    from start: Double, to end: Double, steps: Int, kernel: (any PerturbationKernel)?
  ) throws -> [Double] {
    throw InputError(
      "the grid optimised is for solvers of sampling.solvers, whose times are found when they draw; allowed here: "
        + "another grid")
  }
}

extension FixedSteps {
  /// The same steps over another grid.
  public func with(grid: any TimeGrid) -> FixedSteps {
    FixedSteps(predictor, corrector: corrector, steps: steps ?? 1, grid: grid, lastStep: lastStep)
  }
}

extension SamplingSetting {
  /// The largest number of steps that times are looked for.
  static let mostOptimisedSteps = 500

  /// The optimised grid of a solver, its own or the shared one; nil where its grid is another.
  public func optimisedGrid(of solver: any Solver) -> OptimisedGrid? {
    guard (solver.steps ?? 0) > 0 else { return nil }
    return (solver.grid ?? grid) as? OptimisedGrid
  }

  /// A solver as it can be checked: one whose times are yet to be found with those of the process's own spacing.
  /// - Throws: `InputError` where no times can be found for it.
  public func checkable(_ solver: any Solver) throws -> any Solver {
    guard let optimised = optimisedGrid(of: solver) else { return solver }
    guard let loop = solver.fixedSteps, loop.corrector == nil, let steps = loop.steps else {
      throw InputError("grid optimised needs a solver that is a plain loop of steps, without a corrector")
    }
    guard steps <= Self.mostOptimisedSteps else {
      throw InputError("grid optimised has \(steps) steps to place; allowed: up to \(Self.mostOptimisedSteps)")
    }
    let search = optimised.search(for: loop)
    if search == .localError, loop.limit != .flow {
      throw InputError("grid optimised: search local-error needs a solver of the flow; allowed: alignment, auto")
    }
    if search == .alignment {
      guard let kernel else {
        throw InputError(
          "grid optimised: a search by alignment needs a process whose perturbation kernel is m(t) x₀ + σ(t) z")
      }
      guard kernel.moments(at: start).noiseToSignal.isFinite else {
        throw InputError("grid optimised: a search by alignment needs a finite σ/m where solvers begin")
      }
    }
    return loop.with(grid: process.samplingSpacing.grid)
  }
}

extension OptimisedGrid {
  /// The search that is meant for a loop of steps.
  func search(for loop: FixedSteps) -> Search {
    if search == .auto { return loop.limit == .flow ? .localError : .alignment }
    return search
  }
}
