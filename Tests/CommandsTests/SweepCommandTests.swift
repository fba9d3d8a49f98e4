// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Testing

/// `score-sde sweep` as a program: its runs are processes of their own.
@Suite("Sweep command", .serialized) struct SweepCommandTests {
  private static let config = """
    name: s
    data: {kind: two-moons, count: 500, held_out: 100}
    process: {kind: vp}
    score: {kind: network, network: {kind: mlp, hidden: [16, 16], features: 8}}
    training: {steps: 400, batch: 64}
    sampling: {count: 50, solvers: [{name: em, kind: euler-maruyama, steps: 20}]}
    evaluation: {metrics: [sliced-wasserstein]}
    sweep: {process.beta_max: [15, 20], sampling.solvers.em.steps: [10, 20], seed: [1, 2]}

    """

  private func inFolder(_ body: (String) throws -> Void) throws {
    let folder = NSTemporaryDirectory() + "score-sde-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try Self.config.write(toFile: folder + "/s.yaml", atomically: true, encoding: .utf8)
    try body(folder)
  }

  private func begin(_ arguments: [String], _ folder: String, _ name: String, errors: Any = FileHandle.nullDevice)
    throws -> Process
  {
    try start(
      ["sweep", folder + "/s.yaml", "--output", "\(folder)/\(name)", "--quiet"] + arguments,
      models: "\(folder)/\(name)-models", errors: errors)
  }

  /// The exit code, and what was written to standard output and standard error.
  private func run(_ arguments: [String], _ folder: String, models: String = "models") throws -> (Int32, String, String)
  {
    let (output, errors) = (Pipe(), Pipe())
    let process = try start(
      arguments, models: "\(folder)/\(models)", output: output.fileHandleForWriting, errors: errors)
    try output.fileHandleForWriting.close()
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    let said = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    return (process.terminationStatus, text, said)
  }

  private func contents(_ path: String) -> String { (try? String(contentsOfFile: path, encoding: .utf8)) ?? "" }

  @Test("a sweep that SIGKILL ends twice, and one that SIGINT ends, come to the bytes of an undisturbed one")
  func kills() throws {
    try inFolder { folder in
      let clock = ContinuousClock()
      let begun = clock.now
      let whole = try begin([], folder, "whole")
      whole.waitUntilExit()
      let seconds = begun.duration(to: clock.now) / .seconds(1)
      #expect(whole.terminationStatus == 0)
      for (name, signal) in [("killed", SIGKILL), ("stopped", SIGINT)] {
        var stops = 0
        for _ in 0..<2 {
          let process = try begin([], folder, name)
          usleep(useconds_t(1e6 * Double.random(in: 0.15...0.45) * seconds))
          kill(process.processIdentifier, signal)
          process.waitUntilExit()
          if process.terminationStatus != 0 { stops += 1 }
          if signal == SIGINT && process.terminationStatus != 0 { #expect(process.terminationStatus == 130) }
          // A reader finds a whole table at any moment.
          let lines = contents("\(folder)/\(name)/sweep.csv").split(separator: "\n")
          #expect(lines.allSatisfy { $0.filter { $0 == "," }.count == lines[0].filter { $0 == "," }.count })
        }
        #expect(stops > 0, "no signal came in time")
        let errors = Pipe()
        let last = try begin([], folder, name, errors: errors)
        let said = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        last.waitUntilExit()
        #expect(last.terminationStatus == 0 && said.isEmpty, "\(said)")
        let table = contents(folder + "/whole/sweep.csv")
        #expect(table.split(separator: "\n").count == 9 && contents("\(folder)/\(name)/sweep.csv") == table)
        let names = try FileManager.default.subpathsOfDirectory(atPath: "\(folder)/\(name)")
        #expect(names.allSatisfy { !$0.hasSuffix(".part") && !$0.hasSuffix(".lock") })
        for number in 1...8 {
          for file in ["config.yaml", "samples/em.csv", "checkpoint.safetensors"] {
            let paths = ["whole", name].map { "\(folder)/\($0)/runs/00\(number)/\(file)" }
            #expect(FileManager.default.contentsEqual(atPath: paths[0], andPath: paths[1]), "\(paths[1])")
          }
        }
        #expect(try run(["verify", "\(folder)/\(name)"], folder).0 == 0)
      }
    }
  }

  @Test("a run whose process is killed fails alone, is told, and is done by the next call") func crash() throws {
    try inFolder { folder in
      let errors = Pipe()
      let long = [
        "--set", "training.steps=100000", "--set", "sweep.seed=[1]", "--set", "sweep.process.beta_max=[15]",
        "--set", "sweep.sampling.solvers.em.steps=[10]",
      ]
      let process = try begin(long + ["--jobs", "1"], folder, "c", errors: errors)
      let lock = folder + "/c/runs/001/.lock"
      var child: Int32 = 0
      for _ in 0..<500 where child == 0 {
        usleep(10_000)
        child = contents(lock).split(separator: "\n").first.flatMap { Int32($0) } ?? 0
      }
      #expect(child != 0 && child != process.processIdentifier)
      kill(child, SIGKILL)
      let said = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
      process.waitUntilExit()
      #expect(process.terminationStatus == 1)
      #expect(
        said.contains("run 001 (process.beta_max=15 sampling.solvers.em.steps=10 seed=1): it was ended by signal 9"),
        "\(said)")
    }
  }

  @Test("--dry-run, --run, --collect, validate, and what other commands say of a sweep") func modes() throws {
    try inFolder { folder in
      let (config, output) = (folder + "/s.yaml", ["--output", folder + "/r"])
      var (code, text, said) = try run(["sweep", config, "--dry-run"] + output, folder)
      #expect(code == 0 && said.isEmpty && text.split(separator: "\n").allSatisfy { $0.count <= 80 }, "\(said)")
      #expect(text.contains("8 runs: 0 done, 8 to do; 4 networks to train"))
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["s.yaml"])
      (code, text, said) = try run(["sweep", config, "--run", "2", "--set", "training.steps=5"] + output, folder)
      #expect(
        code == 0 && text.hasPrefix("run 002: process.beta_max=15 sampling.solvers.em.steps=10 seed=2\n"), "\(said)")
      (code, _, said) = try run(["sweep", config, "--run", "9"] + output, folder)
      #expect(code == 2 && said == "score-sde: --run: is 9; allowed: 1 to 8\n")
      (code, text, said) = try run(["sweep", config, "--collect", "--set", "training.steps=5"] + output, folder)
      #expect(code == 0 && text.hasPrefix("sweep s: 1 of 8 runs are done; 1 of them before, 0 now\n"), "\(said)")
      #expect(said == "score-sde: runs 001, 003 to 008: not begun\n")
      #expect(contents(folder + "/r/sweep.csv").split(separator: "\n").count == 2)
      for wrong in [
        ["--run", "1", "--dry-run"], ["--jobs", "0"], ["--run", "1", "--jobs", "2"], ["--wait", "1"],
        ["--list", "--run", "1"],
      ] {
        #expect(try run(["sweep", config] + wrong, folder).0 == 64)
      }
      #expect(try run(["validate", config], folder) == (0, "", ""))
      (code, text, _) = try run(["validate", config, "--resolved"], folder)
      #expect(code == 0 && text.components(separatedBy: "--- # run ").count == 9)
      (code, _, said) = try run(["validate", config, "--set", "sweep.seed=[1, -1]"], folder)
      #expect(code == 2 && said.contains("sweep.seed (run 002): is -1; allowed"), "\(said)")
      for command in ["run", "train", "sample", "evaluate"] {
        (code, _, said) = try run([command, config] + output, folder)
        #expect(
          code == 2 && said.contains("s.yaml:8: sweep: this config is a sweep, which `score-sde sweep"), "\(said)")
      }
      (code, _, said) = try run(["sweep", "Experiments/vp-moons.yaml"] + output, folder)
      #expect(code == 2 && said.contains("Experiments/vp-moons.yaml: has no key 'sweep'"), "\(said)")
    }
  }

  @Test("a network of the sweep that has a hard end leaves no process behind") func orphans() throws {
    try inFolder { folder in
      let process = try begin(["--set", "training.steps=1000000"], folder, "o")
      let lock = folder + "/o/runs/001/.lock"
      var child: Int32 = 0
      for _ in 0..<500 where child == 0 {
        usleep(10_000)
        child = contents(lock).split(separator: "\n").first.flatMap { Int32($0) } ?? 0
      }
      #expect(child != 0)
      kill(process.processIdentifier, SIGKILL)
      process.waitUntilExit()
      for _ in 0..<300 where kill(child, 0) == 0 { usleep(10_000) }
      #expect(kill(child, 0) != 0, "the run's process lives on")
      // It ended in order: its training is kept.
      let models = (try? FileManager.default.contentsOfDirectory(atPath: folder + "/o-models")) ?? []
      #expect(models.contains { $0.hasSuffix(".unfinished.safetensors") })
    }
  }
}
