// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Processes
import Solvers

/// Solvers whose times have been found.
struct PlacedSolvers {
  /// All solvers of the config.
  var solvers: [GuidedSolver] = []
  /// What was found, a line for each optimised grid.
  var notes: [String] = []
  /// The found times by the names of solvers.
  private var found: [(name: String, times: GridSearch.Found)] = []
  private let noise: (any PerturbationKernel)?

  init(_ noise: (any PerturbationKernel)?) { self.noise = noise }

  /// A solver that keeps its grid.
  mutating func add(_ solver: GuidedSolver) { solvers.append(solver) }

  /// A solver in times that were found.
  mutating func add(_ solver: GuidedSolver, _ loop: FixedSteps, in times: GridSearch.Found) throws {
    solvers.append(
      GuidedSolver(
        named: solver.named, score: solver.score, solver: loop.with(grid: try ListedTimes(times.times)),
        guidance: solver.guidance))
    found.append((solver.named.name, times))
    let figures = times.figures.map { "\($0.grid) \(ConciseNumber.text($0.value))" }.joined(separator: ", ")
    let quantity = times.quantity == "error" ? "error at ε" : "divergence"
    notes.append("\(solver.named.name): times of the grid optimised, by their \(quantity): \(figures)")
  }

  /// Writes `times.csv`, or removes one that no solver has any more.
  func write(to folder: ResultsFolder) throws {
    guard !found.isEmpty else { return folder.remove("times.csv") }
    var table = CSVText(columns: ["solver", "step", "time", "noise_to_signal"])
    for (name, times) in found {
      for (step, time) in times.times.enumerated() {
        let level = noise?.moments(at: time).noiseToSignal
        table.add([name, String(step), time.description, level.flatMap { $0.isFinite ? $0.description : nil } ?? ""])
      }
    }
    try folder.write(table.text, to: "times.csv")
  }
}
