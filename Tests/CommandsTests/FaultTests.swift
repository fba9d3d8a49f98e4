// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import Testing

/// Kills, faults of the file system, and others who want the same folder: the short forms of `make kills` and
/// `make faults`.
@Suite("Faults", .serialized) struct FaultTests {
  private func python(_ arguments: [String]) throws -> (code: Int32, output: String) {
    let (process, output) = (Process(), Pipe())
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["python3"] + arguments + ["--program", program.path]
    process.currentDirectoryURL = repository
    (process.standardOutput, process.standardError) = (output, output)
    try process.run()
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    return (process.terminationStatus, text)
  }

  private static let hasTools = ["python3", "cc"].allSatisfy { name in
    ["/usr/bin/", "/usr/local/bin/", "/bin/"].contains { FileManager.default.fileExists(atPath: $0 + name) }
  }

  @Test("a run that is killed at any moment goes on to the bytes of an undisturbed one", .enabled(if: hasTools))
  func kills() throws {
    let (code, output) = try python(["Tests/kills.py", "--count", "5", "--steps", "100"])
    #expect(code == 0, "\(output)")
  }

  @Test("a call of the file system that fails loses nothing, and is told in one line", .enabled(if: hasTools))
  func faults() throws {
    let (code, output) = try python(["Tests/faults.py", "--stride", "53", "--offset", "5"])
    #expect(code == 0, "\(output)")
  }

  @Test("many rows, points, solvers and wide rows stay within their bounds of memory", .enabled(if: hasTools))
  func load() throws {
    let (code, output) = try python(["Tests/load.py", "--small"])
    #expect(code == 0, "\(output)")
  }

  @Test("two runs in one folder: the second is refused; two trainings of one network: the second waits for the first")
  func twoRuns() throws {
    let folder = NSTemporaryDirectory() + "score-sde-" + UUID().uuidString
    defer { try? FileManager.default.removeItem(atPath: folder) }
    func train(_ name: String, _ errors: Pipe) throws -> Process {
      try start(
        ["train", "Experiments/vp-moons.yaml", "--output", "\(folder)/\(name)", "--set", "training.steps=1500"],
        models: folder + "/models", errors: errors)
    }
    func text(_ pipe: Pipe) -> String {
      String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    }
    let pipes = [Pipe(), Pipe(), Pipe()]
    let first = try train("a", pipes[0])
    for _ in 0..<500 where !FileManager.default.fileExists(atPath: folder + "/a/.lock") { usleep(5_000) }
    let second = try train("a", pipes[1])
    let other = try train("b", pipes[2])
    #expect(text(pipes[1]).contains("another run writes here now (process \(first.processIdentifier))"))
    second.waitUntilExit()
    #expect(second.terminationStatus == 1)
    #expect(text(pipes[2]).contains("process \(first.processIdentifier) trains this network now; waiting for it"))
    for process in [first, other] {
      process.waitUntilExit()
      #expect(process.terminationStatus == 0)
    }
    let files = ["a", "b"].map { FileManager.default.contents(atPath: "\(folder)/\($0)/checkpoint.safetensors") }
    #expect(files[0] != nil && files[0] == files[1])
  }

  @Test("a closed or missing standard output is one line and 1; it is no file's end", arguments: ["| true", ">&-"])
  func closedOutput(how: String) throws {
    let folder = NSTemporaryDirectory() + "score-sde-" + UUID().uuidString
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let (process, errors) = (Process(), Pipe())
    process.executableURL = URL(fileURLWithPath: "/bin/bash")
    let run = "'\(program.path)' run Experiments/vp-mixture-exact.yaml --output '\(folder)' --set sampling.count=20"
    // The pipe's reader is gone before the program prints its table.
    process.arguments = ["-o", "pipefail", "-c", how == "| true" ? "{ sleep 0.2; \(run); } | true" : "\(run) \(how)"]
    process.currentDirectoryURL = repository
    process.standardError = errors
    try process.run()
    process.waitUntilExit()
    let text = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    #expect(process.terminationStatus == 1)
    // A machine that takes some seconds tells how far it is, on standard error.
    let lines = text.split(separator: "\n").filter { !$0.hasSuffix(" left") }
    #expect(lines.count == 1 && lines[0].contains("standard output: cannot be written"), "\(text)")
    let config = try String(contentsOfFile: folder + "/config.yaml", encoding: .utf8)
    #expect(config.hasPrefix("name: ") && FileManager.default.fileExists(atPath: folder + "/manifest.json"))
  }
}
