// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Experiments
import Foundation
import Pairs
import Processes
import Scores
import Solvers
import Testing

@Suite("Schedulers against diffusers' own") struct SchedulerTests {
  /// diffusers rounds samples and network outputs to single precision at every step; 50 steps, whose multistep methods
  /// weigh outputs by up to 59/24, leave some units of 1e-6.
  private static let tolerance = 1e-5

  @Test("the same end for a network known in closed form", arguments: try SchedulerFixture.load().cases.indices)
  func ends(index: Int) throws {
    let fixture = try SchedulerFixture.load()
    let run = fixture.cases[index]
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("scheduler-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let file = folder.appendingPathComponent("scheduler_config.json")
    try run.config.write(to: file, atomically: true, encoding: .utf8)
    let recipe = try SchedulerRecipe(file.path, pipelineSays: run.class, eta: run.eta)
    let mixture = try GaussianMixture(
      weights: fixture.weights, means: fixture.means, deviations: fixture.deviations)
    let process = VPSDE(recipe.schedule)
    for (steps, end) in run.ends.sorted(by: { $0.key < $1.key }) {
      let steps = try #require(Int(steps))
      var random = PyTorchRandom(seed: run.seed)
      let noise = random.normals(end.count).map(Double.init)
      let path = GeneratorPath(
        (0..<steps).map { _ in Batch(values: random.normals(end.count).map(Double.init), dimension: 4) })
      let problem = SamplingProblem(
        process: process, score: mixture.score(under: process), dimension: 4, seed: 1, path: path)
      let solver = ScheduledSolver(
        recipe.scheduler, steps: steps, levels: recipe.levels, start: run.skipped == 0 ? .noise : .step(run.skipped))
      var x = Batch(values: noise, dimension: 4)
      if run.skipped > 0 {
        let plan = try recipe.scheduler.plan(steps: steps, levels: recipe.levels)
        let level = plan.steps[run.skipped].from
        let start = fixture.start.flatMap { $0 }
        for i in noise.indices { x.values[i] = (start[i] + level * noise[i]) / (1 + level * level).squareRoot() }
      }
      try x.withRows { _ = try solver.solve($0, in: SolveContext(problem, rows: $0.span)) }
      var largest = 0.0
      for (a, b) in pairs(x.values, end) { largest = max(largest, abs(a - b)) }
      #expect(largest < Self.tolerance, "\(run.class), \(run.about), \(steps) steps, from \(run.skipped): \(largest)")
    }
  }
}

/// schedulers.json
struct SchedulerFixture: Decodable, Sendable {
  let weights: [Double]
  let means: [[Double]]
  let deviations: [Double]
  let start: [[Double]]
  let cases: [Case]

  struct Case: Decodable, Sendable {
    let `class`, about, config: String
    let seed: UInt64
    let eta: Double
    let skipped: Int
    /// The ends of runs by their steps, row after row.
    let ends: [String: [Double]]
  }

  private static let loaded = Result {
    let url = try #require(
      Bundle.module.url(forResource: "schedulers", withExtension: "json", subdirectory: "Fixtures"))
    return try JSONDecoder().decode(SchedulerFixture.self, from: Data(contentsOf: url))
  }

  static func load() throws -> SchedulerFixture { try loaded.get() }
}
