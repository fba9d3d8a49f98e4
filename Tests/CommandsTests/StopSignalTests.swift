// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import Testing

/// The program itself, which SwiftPM builds beside the tests.
private let program = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
  .appendingPathComponent("score-sde")
private let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
  .deletingLastPathComponent()

/// - Parameters:
///   - models: where trained networks are kept.
///   - output: takes the standard output.
func start(
  _ arguments: [String], models: String, output: FileHandle = .nullDevice
) throws -> Process {
  let process = Process()
  process.environment = ProcessInfo.processInfo.environment.merging(["SCORE_SDE_MODELS": models]) { $1 }
  process.executableURL = program
  process.arguments = arguments
  process.currentDirectoryURL = repository
  process.standardError = FileHandle.nullDevice
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

  @Test("a signal ends what nobody keeps, at once") func endsAtOnce() throws {
    let folder = NSTemporaryDirectory() + "score-sde-" + UUID().uuidString
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let process = try start(
      [
        "run", "Experiments/vp-mixture-exact.yaml", "--output", folder, "--quiet", "--set", "sampling.count=10000000",
      ], models: folder + "-models")
    usleep(500_000)
    kill(process.processIdentifier, SIGTERM)
    process.waitUntilExit()
    #expect(process.terminationReason == .exit && process.terminationStatus == 143)
  }
}
