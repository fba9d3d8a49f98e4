// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Experiments
import Foundation
import Synchronization
import Testing

@Suite("Sweeps") struct SweepTests {
  /// A network of 20 steps, two solvers, and 2 × 2 × 2 runs that need four networks.
  private static let trained =
    tiny.replacing("steps: 60", with: "steps: 20").replacing("count: 40", with: "count: 12")
    + "\nsweep: {process.beta_max: [10, 20], sampling.solvers.em.steps: [3, 6], seed: [1, 2]}\n"

  /// Counts the runs that are done.
  private final class Counter: Sendable {
    let numbers = Mutex<[Int]>([])

    func perform(_ task: SweepTask) throws {
      numbers.withLock { $0.append(task.run.number) }
      try task.perform()
    }

    /// The numbers since the last call.
    func take() -> [Int] {
      numbers.withLock { list in
        defer { list = [] }
        return list.sorted()
      }
    }
  }

  private func sweep(_ text: String, _ folder: String, jobs: Int? = 2, overrides: [String] = []) throws -> Sweep {
    try Sweep(
      SweepConfig(text: text, path: "test.yaml", overrides: overrides), folder: folder + "/r",
      store: ModelStore(folder + "/m"), jobs: jobs, threads: 1, quiet: true)
  }

  private func rows(_ folder: String) -> [[String]] {
    contents(folder + "/r/sweep.csv").split(separator: "\n").map {
      $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    }
  }

  @Test("every run is done once, every network is trained once, and the table has a row a run and solver")
  func whole() throws {
    try withFolder { folder in
      let counter = Counter()
      let sweep = try sweep(Self.trained, folder)
      let summary = try sweep.run(by: counter.perform)
      #expect(counter.take() == Array(1...8))
      #expect(summary.contains("sweep tiny: 8 of 8 runs are done") && summary.contains("sliced-wasserstein"))
      let models = try FileManager.default.contentsOfDirectory(atPath: folder + "/m")
      #expect(models.filter { $0.hasSuffix(".safetensors") }.count == 4 && !models.contains { $0.hasSuffix(".lock") })
      let reused = sweep.runs.map {
        contents("\(folder)/r/\($0.folder)/manifest.json").contains("\"training_reused\" : true")
      }
      #expect(reused.filter { $0 }.count == 4)
      let rows = rows(folder)
      #expect(
        rows[0].prefix(13) == [
          "run", "process.beta_max", "sampling.solvers.em.steps", "seed", "experiment", "process", "solver", "kind",
          "count", "steps", "nfe", "nfe_max", "repeat",
        ])
      #expect(rows.count == 1 + 8 * 3)
      #expect(
        rows[1].prefix(13) == ["001", "10", "3", "1", "tiny", "vp", "em", "euler-maruyama", "12", "3", "4", "4", "all"])
      let metric = try #require(rows[0].firstIndex(of: "sliced_wasserstein"))
      #expect(
        rows[0][metric + 1] == "sliced_wasserstein_low" && rows.dropFirst().allSatisfy { Double($0[metric]) != nil })
      // The values are those of the runs.
      let solvers = contents(folder + "/r/runs/007/solvers.csv").split(separator: "\n")[1]
      #expect(solvers.contains(rows.first { $0[0] == "007" && $0[6] == "em" }?[metric] ?? "none"))
      let found = try Verification(of: folder + "/r")
      #expect(found.problems == [] && found.intact > 8 * 6)

      // Again: nothing is done, and nothing changes.
      let before = contents(folder + "/r/sweep.csv")
      #expect(try sweep.run(by: counter.perform).contains("8 of 8 runs are done; 8 of them before, 0 now"))
      #expect(counter.take() == [] && contents(folder + "/r/sweep.csv") == before)
      // The folder's config is the same sweep.
      let config = try SweepConfig(path: folder + "/r/config.yaml")
      let same = try Sweep(config, folder: folder + "/r", store: ModelStore(folder + "/m"), quiet: true)
      #expect(same.runs.map(\.configHash) == sweep.runs.map(\.configHash) && same.keys == sweep.keys)
      // What is done in other numbers of threads, or one after the other, has the same bytes.
      let alone = try Sweep(
        SweepConfig(text: Self.trained, path: "test.yaml"), folder: folder + "/o", store: ModelStore(folder + "/n"),
        jobs: 1, threads: 2, quiet: true)
      _ = try alone.run()
      #expect(contents(folder + "/o/sweep.csv") == before)
    }
  }

  @Test("a changed sweep does exactly the runs that are new, and finished ones keep what they have") func changes()
    throws
  {
    try withFolder { folder in
      let counter = Counter()
      func text(_ sweep: String) -> String { exact + "sweep: \(sweep)\n" }
      _ = try sweep(text("{process.beta_max: [10, 20], seed: [1, 3]}"), folder).run(by: counter.perform)
      #expect(counter.take() == [1, 2, 3, 4])
      func sample(_ run: String) -> String { contents("\(folder)/r/runs/\(run)/samples/em.csv") }
      let (first, last) = (sample("002"), sample("004"))
      // Seeds in the middle: runs 2 and 4 become 3 and 6.
      _ = try sweep(text("{process.beta_max: [10, 20], seed: [1, 2, 3]}"), folder).run(by: counter.perform)
      #expect(counter.take() == [2, 5] && sample("003") == first && sample("006") == last)
      let order = rows(folder).dropFirst().map { "\($0[0]) \($0[1]) \($0[2])" }
      #expect(order == ["001 10 1", "002 10 2", "003 10 3", "004 20 1", "005 20 2", "006 20 3"])
      #expect(try Verification(of: folder + "/r").problems == [])
      // The axes change places.
      _ = try sweep(text("{seed: [1, 2, 3], process.beta_max: [10, 20]}"), folder).run(by: counter.perform)
      #expect(counter.take() == [] && sample("005") == first)
      // Another key changes all, fewer runs leave the others, and the manifest and `verify` name them.
      let fewer = text("{process.beta_max: [10], seed: [1, 2]}")
      _ = try sweep(fewer, folder, overrides: ["sampling.count=21"]).run(by: counter.perform)
      #expect(counter.take() == [1, 2])
      #expect(contents(folder + "/r/manifest.json").contains("in runs, and none of this sweep's: 003, 004, 005, 006"))
      #expect(try Verification(of: folder + "/r").problems.first == "runs/003: none of this sweep's runs")
      // What is damaged or missing is done again.
      let table = folder + "/r/runs/001/solvers.csv"
      let changed = contents(table).replacingOccurrences(of: ",21,", with: ",22,")
      #expect(changed != contents(table))
      try changed.write(toFile: table, atomically: true, encoding: .utf8)
      #expect(try Verification(of: folder + "/r").problems.first == "runs/001/solvers.csv: changed")
      try FileManager.default.removeItem(atPath: folder + "/r/runs/002/samples/em.csv")
      _ = try sweep(fewer, folder, overrides: ["sampling.count=21"]).run(by: counter.perform)
      #expect(counter.take() == [1, 2])
    }
  }

  @Test("a run that fails is told, has no row, and keeps no other from its end; it is tried again") func failures()
    throws
  {
    try withFolder { folder in
      let isBroken = Atomic<Bool>(true)
      let sweep = try sweep(exact + "sweep: {seed: [1, 2, 3]}", folder)
      func run() throws -> String {
        try sweep.run { task in
          if task.run.number == 2 && isBroken.load(ordering: .relaxed) {
            throw ExperimentFailure(reasons: ["solver em: it broke", "and more"], summary: "")
          }
          try task.perform()
        }
      }
      let failure = #expect(throws: ExperimentFailure.self) { try run() }
      #expect(failure?.reasons == ["run 002 (seed=2): solver em: it broke; and more"])
      #expect(failure?.summary.contains("2 of 3 runs are done; 1 failed") == true)
      #expect(rows(folder).map { $0[0] } == ["run", "001", "003"])
      #expect(contents(folder + "/r/manifest.json").contains("run 002 (seed=2): solver em: it broke"))
      isBroken.store(false, ordering: .relaxed)
      #expect(try run().contains("3 of 3 runs are done; 2 of them before, 1 now"))
      #expect(rows(folder).map { $0[0] } == ["run", "001", "002", "003"])
    }
  }

  @Test("a run whose numbers overflow fails by itself, and its folder says so") func numbers() throws {
    try withFolder { folder in
      let text = tiny + "\nsweep: {training.learning_rate: [1.0e-3, 1.0e30]}\n"
      let failure = #expect(throws: ExperimentFailure.self) { try sweep(text, folder).run() }
      #expect(
        failure?.reasons.count == 1
          && failure?.reasons[0].hasPrefix("run 002 (training.learning_rate=1.0e+30)") == true,
        "\(failure?.reasons ?? [])")
      #expect(rows(folder).dropFirst().allSatisfy { $0[0] == "001" } && rows(folder).count == 4)
    }
  }

  @Test("runs wait for nobody's training while there are others; a trained network makes all of its runs ready")
  func order() throws {
    try withFolder { folder in
      // Two networks, four runs each; one job: the first of each network comes first.
      let text =
        tiny.replacing("steps: 60", with: "steps: 5").replacing("count: 40", with: "count: 5")
        + "\nsweep: {seed: [1, 2], sampling.solvers.em.steps: [3, 4, 5]}\n"
      let order = Mutex<[Int]>([])
      _ = try sweep(text, folder, jobs: 1).run { task in
        order.withLock { $0.append(task.run.number) }
        try task.perform()
      }
      #expect(order.withLock { $0 } == [1, 4, 2, 3, 5, 6])
      // With two jobs nobody trains what the other one trains.
      let training = Mutex<(now: Set<UInt64>, clashes: Int)>(([], 0))
      let other = text.replacing("seed: [1, 2]", with: "seed: [3, 4]")
      _ = try sweep(other, folder + "/b", jobs: 3).run { task in
        let seed = UInt64(task.run.values[0]) ?? 0
        let isFirst = [1, 4].contains(task.run.number)
        training.withLock {
          if $0.now.contains(seed) { $0.clashes += 1 }
          if isFirst { $0.now.insert(seed) }
        }
        try task.perform()
        if isFirst { _ = training.withLock { $0.now.remove(seed) } }
      }
      #expect(training.withLock { $0.clashes } == 0)
    }
  }

  @Test("--run does one run in its folder, at most once; several at a time are safe; the sweep gathers them")
  func single() throws {
    try withFolder { folder in
      let config = SweepConfig(text: exact + "sweep: {process.beta_max: [10, 20], seed: [1, 2]}\n", path: "test.yaml")
      func run(_ number: Int) throws -> String {
        try Sweep.run(
          number, of: config, folder: folder + "/r", store: ModelStore(folder + "/m"), threads: 1, quiet: true)
      }
      #expect(try run(3).hasPrefix("run 003: process.beta_max=20 seed=1\n"))
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder + "/r/runs") == ["003"])
      let before =
        try FileManager.default.attributesOfItem(atPath: folder + "/r/runs/003/solvers.csv")[.modificationDate] as? Date
      #expect(try run(3).hasSuffix("runs/003: run 003 is done"))
      let after =
        try FileManager.default.attributesOfItem(atPath: folder + "/r/runs/003/solvers.csv")[.modificationDate] as? Date
      #expect(before == after)
      for number in [0, 5, -1] {
        #expect(throws: InputError("is \(number); allowed: 1 to 4", at: "--run")) { try run(number) }
      }
      let counter = Counter()
      let sweep = try Sweep(config, folder: folder + "/r", store: ModelStore(folder + "/m"), quiet: true)
      var told: [String] = []
      let text = try sweep.run(isCollecting: true, by: counter.perform, tell: { told.append($0) })
      #expect(told == ["runs 001 to 002, 004: not begun"] && text.contains("1 of 4 runs are done"))
      #expect(counter.take() == [] && rows(folder).map { $0[0] } == ["run", "003"])
      _ = try sweep.run(by: counter.perform)
      #expect(counter.take() == [1, 2, 4])
      // The run has the same bytes in whatever way it was begun.
      let other = try Sweep(config, folder: folder + "/o", store: ModelStore(folder + "/m"), quiet: true)
      _ = try other.run()
      #expect(contents(folder + "/o/sweep.csv") == contents(folder + "/r/sweep.csv"))
      func overrides(_ folder: String) -> String? {
        contents("\(folder)/runs/003/solvers.csv").split(separator: "\n").last?.split(separator: ",").first {
          $0.contains("beta_max")
        }.map(String.init)
      }
      #expect(
        overrides(folder + "/o") == "process.beta_max=20 seed=1" && overrides(folder + "/r") == overrides(folder + "/o")
      )
      for name in ["config.yaml", "samples/em.csv"] {
        #expect(contents("\(folder)/o/runs/003/\(name)") == contents("\(folder)/r/runs/003/\(name)"))
      }
    }
  }

  @Test("a run that another program does now is waited for, and done by nobody else; two sweeps exclude each other")
  func inUse() throws {
    try withFolder { folder in
      let sweep = try sweep(exact + "sweep: {seed: [1, 2]}", folder)
      try FileManager.default.createDirectory(atPath: folder + "/r/runs/001", withIntermediateDirectories: true)
      let lock = Mutex<FileLock?>(try FileLock(folder + "/r/runs/001/.lock", of: "it"))
      let counter = Counter()
      _ = try sweep.run { task in
        // While this sweep holds its folder, nobody else may.
        #expect(throws: InUseError.self) { try sweep.run() }
        try counter.perform(task)
        lock.withLock { held in
          held?.release()
          held = nil
        }
      }
      #expect(counter.numbers.withLock { $0 } == [2, 1])
    }
  }

  @Test("repeats, intervals and figures of the model are rows and columns of the table") func repeats() throws {
    try withFolder { folder in
      let text = exact.replacing(
        "{metrics: [sliced-wasserstein]}", with: "{metrics: [sliced-wasserstein, nll], repeats: 2}"
      )
      .replacing("count: 20,", with: "count: 60,")
      let summary = try sweep(text + "sweep: {seed: [1, 2]}\n", folder).run()
      let rows = rows(folder)
      let place = Dictionary(uniqueKeysWithValues: rows[0].enumerated().map { ($1, $0) })
      func column(_ name: String) throws -> [String] { try rows.dropFirst().map { $0[try #require(place[name])] } }
      #expect(try column("run") == ["001", "001", "001", "001", "002", "002", "002", "002"])
      #expect(try column("solver") == ["em", "em", "em", "", "em", "em", "em", ""])
      #expect(try column("repeat") == ["all", "1", "2", "all", "all", "1", "2", "all"])
      let (value, low, high) = (
        try column("sliced_wasserstein"), try column("sliced_wasserstein_low"), try column("sliced_wasserstein_high")
      )
      for index in [0, 4] {
        let all = try #require(Double(value[index]))
        let parts = try (1...2).map { try #require(Double(value[index + $0])) }
        #expect(abs(all - (parts[0] + parts[1]) / 2) < 1e-12, "the mean of the repeats")
        #expect(try #require(Double(low[index])) <= all && all <= #require(Double(high[index])))
      }
      let nll = try column("nll")
      #expect(Double(nll[3]) != nil && nll[0].isEmpty && value[3].isEmpty)
      #expect(summary.contains("95 % interval") && summary.contains(" more"))
    }
  }

  @Test("the list of runs fits 80 columns, and says what is done and who trains") func listing() throws {
    try withFolder { folder in
      let sweep = try sweep(Self.trained, folder)
      var lines = sweep.listing().split(separator: "\n").map(String.init)
      #expect(lines[0] == "run  beta_max  steps  seed  state   network")
      #expect(
        lines[1] == "001        10      3     1  to do  to train"
          && lines[3] == "003        10      6     1  to do    as 001")
      #expect(lines.last == "8 runs: 0 done, 8 to do; 4 networks to train; 2 at a time, 1 thread each")
      #expect(!FileManager.default.fileExists(atPath: folder + "/r"))
      _ = try Sweep.run(
        1, of: SweepConfig(text: Self.trained, path: "test.yaml"), folder: folder + "/r",
        store: ModelStore(folder + "/m"),
        quiet: true)
      lines = sweep.listing().split(separator: "\n").map(String.init)
      #expect(lines[1] == "001        10      3     1   done   trained")
      #expect(lines.last?.hasPrefix("8 runs: 1 done, 7 to do; 3 networks to train") == true)
      let wide = try self.sweep(
        exact
          + "sweep: [{process: {kind: vp, beta_min: 0.2, beta_max: 17}, sampling.solvers: [{name: longer-than-that, kind: euler-maruyama, steps: 9}], seed: 123456}, {process: {kind: vp, beta_min: 0.4, beta_max: 11}, data.deviations: [0.25, 0.75], evaluation.metrics: [mmd]}]",
        folder)
      #expect(wide.listing().split(separator: "\n").allSatisfy { $0.count <= 80 })
    }
  }

  @Test("a folder of one run takes no sweep, and that of a sweep no run") func mixed() throws {
    try withFolder { folder in
      _ = try makeExperiment(plan(exact), folder: folder + "/r").run()
      #expect(throws: InputError.self) { try sweep(exact + "sweep: {seed: [1, 2]}", folder).run() }
      _ = try sweep(exact + "sweep: {seed: [1, 2]}", folder + "/b").run()
      #expect(throws: InputError.self) { try makeExperiment(plan(exact), folder: folder + "/b/r").run() }
    }
  }

  @Test("warnings that differ in numbers alone are one line") func warnings() throws {
    try withFolder { folder in
      let far = exact.replacing("[[-0.8], [0.8]]", with: "[[900], [1000]]")
      let sweep = try sweep(far + "sweep: {seed: [1, 2, 3], sampling.count: [20, 21]}", folder)
      let lines = try sweep.foreseen().warnings.filter { $0.contains("the prior is not reached") }
      #expect(lines.count == 1 && lines[0].hasSuffix("(run 001; 5 more alike)"), "\(lines)")
    }
  }
}
