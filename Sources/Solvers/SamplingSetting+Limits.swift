// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Scores

extension SamplingSetting {
  /// - Throws: `InputError` where what solvers converge to is nothing that the score stands for.
  func require(_ limit: Limit) throws {
    if traits.contains(.flowAlone), limit != .flow {
      throw InputError(
        "needs a score, and the network knows the velocity of a flow between two laws alone; allowed: solvers of the "
          + "probability flow")
    }
    if traits.contains(.pathAlone), limit == .flow {
      throw InputError(
        "needs a score, and the network knows the reverse drift of bridges alone; allowed: solvers of the reverse SDE")
    }
  }

  /// - Throws: `InputError` where what a solver converges to is nothing that the score stands for.
  public func requireLimit(of solver: any Solver) throws { try require(solver.limit) }
}
