// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import Testing

/// The program itself, which SwiftPM builds beside the tests.
let program = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
  .appendingPathComponent("score-sde")
let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
  .deletingLastPathComponent()

/// - Parameters:
///   - models: where trained networks are kept.
///   - output: takes the standard output.
///   - errors: takes the standard error.
func start(
  _ arguments: [String], models: String, output: FileHandle = .nullDevice, errors: Any = FileHandle.nullDevice
) throws -> Process {
  let process = Process()
  process.environment = ProcessInfo.processInfo.environment.merging(["SCORE_SDE_MODELS": models]) { $1 }
  // A shell starts what it runs in the background with SIGINT ignored, and a program leaves that so.
  process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
  process.arguments = ["--default-signal=INT,TERM,HUP", program.path] + arguments
  process.currentDirectoryURL = repository
  process.standardError = errors
  process.standardOutput = output
  try process.run()
  return process
}

@Suite("Stop signals", .serialized) struct StopSignalTests {
  /// A training is stopped some milliseconds after it has begun, as often as it takes, and goes on each time.
  @Test(
    "a training that signals stop ends with 128 + their number, and comes to the bytes of an undisturbed one",
    arguments: [1, 2])
  func goesOn(threads: Int) throws {
    let folder = NSTemporaryDirectory() + "score-sde-" + UUID().uuidString
    defer { try? FileManager.default.removeItem(atPath: folder) }
    func train(_ name: String) throws -> Process {
      try start(
        [
          "train", "Experiments/vp-moons.yaml", "--output", "\(folder)/\(name)", "--quiet", "--threads", "\(threads)",
          "--set", "training.steps=1500",
        ], models: "\(folder)/\(name)-models")
    }
    let whole = try train("whole")
    whole.waitUntilExit()
    #expect(whole.terminationStatus == 0)
    var stops = 0
    // One that took no signal in time ends by itself.
    for attempt in 0..<20 {
      let signal = attempt % 2 == 0 ? SIGINT : SIGTERM
      let process = try train("stopped")
      usleep(150_000 + UInt32(attempt) * 7_000)
      kill(process.processIdentifier, signal)
      process.waitUntilExit()
      #expect(process.terminationReason == .exit)
      if process.terminationStatus == 0 { break }
      #expect(process.terminationStatus == 128 + signal)
      stops += 1
    }
    #expect(stops > 0, "no signal came while the training ran")
    let last = try train("stopped")
    last.waitUntilExit()
    #expect(last.terminationStatus == 0)
    let files = ["whole", "stopped"].map {
      FileManager.default.contents(atPath: "\(folder)/\($0)/checkpoint.safetensors")
    }
    #expect(files[0] != nil && files[0] == files[1])
  }

  /// What a command says and how it ends after a signal.
  private func stop(
    _ arguments: [String], by signal: Int32, after wait: useconds_t = 400_000, in folder: String
  ) throws -> (code: Int32, errors: String, seconds: Double) {
    let errors = Pipe()
    let process = try start(arguments, models: folder + "/models", errors: errors)
    usleep(wait)
    #expect(process.isRunning, "\(arguments[0]) has come to its end too early")
    let clock = ContinuousClock()
    let begin = clock.now
    kill(process.processIdentifier, signal)
    process.waitUntilExit()
    let seconds = begin.duration(to: clock.now) / .seconds(1)
    #expect(process.terminationReason == .exit)
    let text = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    return (process.terminationStatus, text, seconds)
  }

  @Test("every command ends in order within two seconds of a signal, and says so in one line") func commands() throws {
    let folder = NSTemporaryDirectory() + "score-sde-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let exact = "Experiments/vp-mixture-exact.yaml"
    let (output, table) = (["--output", folder + "/r"], ["--to", folder + "/t.csv"])
    let many = ["--set", "data.held_out=3000000"]
    let commands: [[String]] = [
      ["run", exact, "--set", "sampling.count=10000000"] + output,
      ["likelihood", exact] + many + table,
      ["encode", exact] + many + table,
      ["converge", exact, "--rows", "1000000", "--steps", "100,200,50000"] + table,
      ["check", exact, "--rows", "1000000", "--steps", "100000"] + table,
      ["train", exact, "--set", "data.count=100000000"] + output,
      [
        "generate", "Tests/ExperimentsTests/Fixtures/Pipeline/model", "--prompt", "a", "--solver", "sra1", "--steps",
        "100000", "--output", folder + "/x.png",
      ],
    ]
    for (index, command) in commands.enumerated() {
      let signal = index % 2 == 0 ? SIGINT : SIGTERM
      let (code, errors, seconds) = try stop(command + ["--quiet"], by: signal, in: folder)
      #expect(code == 128 + signal, "\(command[0])")
      #expect(seconds < 2, "\(command[0]): \(seconds) s")
      let lines = errors.split(separator: "\n").filter { !$0.contains("warning") }
      #expect(lines.count == 1 && lines[0].contains("stopped by SIG"), "\(command[0]): \(errors)")
    }
    #expect(try FileManager.default.subpathsOfDirectory(atPath: folder).allSatisfy { !$0.hasSuffix(".part") })
    #expect(!FileManager.default.fileExists(atPath: folder + "/t.csv"))
    // The manifest of what was stopped tells it.
    let manifest = try String(contentsOfFile: folder + "/r/manifest.json", encoding: .utf8)
    #expect(manifest.contains("stopped by SIGINT"))
  }

  @Test("a classifier whose training a signal stops goes on where it stopped, and comes to the same samples")
  func classifier() throws {
    let folder = NSTemporaryDirectory() + "score-sde-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try """
    name: classes
    data:
      {kind: gaussian-mixture, weights: [1, 1], means: [[-1, 0], [1, 0.5]], deviations: [0.3, 0.4], classes: [0, 1]}
    process: {kind: vp}
    score: {kind: exact}
    sampling:
      count: 20
      condition: {class: 1}
      guidance: {kind: classifier, weight: 2, hidden: [64, 64], steps: 2000, batch: 128}
      solvers: [{name: s, kind: ddim, steps: 8}]
    evaluation: {metrics: [], path_error: false}
    """.write(toFile: folder + "/c.yaml", atomically: true, encoding: .utf8)
    func models(_ name: String) -> [String] {
      ((try? FileManager.default.contentsOfDirectory(atPath: "\(folder)/\(name)-models")) ?? []).sorted()
    }
    func sample(_ name: String, _ errors: Any = FileHandle.nullDevice) throws -> Process {
      try start(
        ["run", folder + "/c.yaml", "--output", "\(folder)/\(name)", "--quiet"], models: "\(folder)/\(name)-models",
        errors: errors)
    }
    func csv(_ name: String) -> Data? { FileManager.default.contents(atPath: "\(folder)/\(name)/samples/s.csv") }
    let whole = try sample("whole")
    whole.waitUntilExit()
    #expect(whole.terminationStatus == 0 && csv("whole") != nil)
    let errors = Pipe()
    let first = try sample("stopped", errors)
    for _ in 0..<500 where !models("stopped").contains(where: { $0.hasSuffix(".lock") }) { usleep(10_000) }
    usleep(100_000)
    kill(first.processIdentifier, SIGINT)
    first.waitUntilExit()
    let text = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    #expect(first.terminationStatus == 130 && text.contains("of 2000; run it again to go on from there"), "\(text)")
    #expect(models("stopped").contains { $0.hasSuffix(".unfinished.safetensors") })
    let second = try sample("stopped")
    second.waitUntilExit()
    #expect(second.terminationStatus == 0 && csv("stopped") == csv("whole"))
    #expect(models("stopped") == models("whole") && !models("whole").contains { $0.contains("unfinished") })
  }

  @Test("a damaged last checkpoint is named, and the one before it used; an unfinished network is sampled on request")
  func damaged() throws {
    let folder = NSTemporaryDirectory() + "score-sde-" + UUID().uuidString
    let models = folder + "/models"
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let arguments = [
      "Experiments/vp-moons.yaml", "--output", folder + "/r", "--set", "training.steps=1000000", "--set",
      "training.checkpoint={steps: 20}", "--set", "sampling.count=20",
    ]
    func file(_ ending: String) -> String? {
      let names = (try? FileManager.default.contentsOfDirectory(atPath: models)) ?? []
      return names.first { $0.hasSuffix(ending) }.map { "\(models)/\($0)" }
    }
    func end(_ process: Process, _ errors: Pipe) -> String {
      process.waitUntilExit()
      return String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    }
    let first = try start(["train", "--quiet"] + arguments, models: models)
    for _ in 0..<500 where file(".previous.safetensors") == nil { usleep(10_000) }
    kill(first.processIdentifier, SIGKILL)
    first.waitUntilExit()
    let last = try #require(file(".unfinished.safetensors"))
    var errors = Pipe()
    let refused = try start(["sample", "--quiet"] + arguments, models: models, errors: errors)
    #expect(end(refused, errors).contains("--unfinished") && refused.terminationStatus == 2)
    errors = Pipe()
    let sampled = try start(["sample", "--unfinished"] + arguments, models: models, errors: errors)
    #expect(end(sampled, errors).contains("the network is unfinished: step ") && sampled.terminationStatus == 0)
    #expect(FileManager.default.fileExists(atPath: folder + "/r/solvers.csv"))
    try """
    name: borrowed
    data: {kind: two-moons}
    process: {kind: vp}
    score: {kind: checkpoint, path: "\(last)"}
    sampling: {count: 5, solvers: [{name: em, kind: euler-maruyama, steps: 3}]}
    """.write(toFile: folder + "/b.yaml", atomically: true, encoding: .utf8)
    errors = Pipe()
    let borrowed = try start(
      ["sample", folder + "/b.yaml", "--output", folder + "/b"], models: models, errors: errors)
    #expect(end(borrowed, errors).contains("unfinished: step ") && borrowed.terminationStatus == 0)
    var bytes = try #require(FileManager.default.contents(atPath: last))
    bytes[bytes.count - 100] ^= 1
    // A file of its own: the one before it may be another name of the same.
    try bytes.write(to: URL(fileURLWithPath: last), options: .atomic)
    errors = Pipe()
    let next = try start(["train", "--quiet"] + arguments, models: models, errors: errors)
    usleep(700_000)
    kill(next.processIdentifier, SIGTERM)
    let text = end(next, errors)
    #expect(next.terminationStatus == 143)
    #expect(text.contains("\(last): damaged") && text.contains("goes on from step"), "\(text)")
    #expect(FileManager.default.fileExists(atPath: last + ".damaged"))
  }
}
