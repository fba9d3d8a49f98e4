// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import Testing

@Suite("Warnings of commands") struct StrictTests {
  private static let config = """
    name: far
    data: {kind: gaussian-mixture, weights: [1], means: [[1000]], deviations: [0.5], count: 100, held_out: 50}
    process: {kind: vp}
    score: {kind: exact}
    sampling: {count: 10, solvers: [{name: em, kind: euler-maruyama, steps: 5}]}
    """

  /// Runs the program: its exit code, and the lines on standard error.
  private func run(_ arguments: [String], in folder: String) throws -> (code: Int32, lines: [String]) {
    let (process, pipe) = (Process(), Pipe())
    process.environment = ProcessInfo.processInfo.environment.merging(["SCORE_SDE_MODELS": folder + "/models"]) { $1 }
    process.executableURL = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
      .appendingPathComponent("score-sde")
    process.arguments = arguments
    process.currentDirectoryURL = URL(fileURLWithPath: folder)
    process.standardOutput = FileHandle.nullDevice
    process.standardError = pipe
    try process.run()
    let data = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return (process.terminationStatus, String(decoding: data, as: UTF8.self).split(separator: "\n").map(String.init))
  }

  @Test("warnings are a line each; --strict makes them errors, and nothing is written") func strict() throws {
    let folder = NSTemporaryDirectory() + "score-sde-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try Data(Self.config.utf8).write(to: URL(fileURLWithPath: folder + "/c.yaml"))
    let point = ["--to", folder + "/p.csv"]
    let commands = [
      ["validate", "c.yaml"], ["run", "c.yaml"], ["train", "c.yaml"], ["sample", "c.yaml"], ["evaluate", "c.yaml"],
      ["likelihood", "c.yaml"] + point, ["encode", "c.yaml"] + point, ["interpolate", "c.yaml"] + point,
      ["score", "c.yaml", "--at", "0.5"] + point, ["check", "c.yaml"], ["converge", "c.yaml"] + point,
    ]
    for command in commands {
      let (code, lines) = try run(command + ["--strict"], in: folder)
      #expect(code == 2 && lines.count == 1 && lines[0].contains("the prior is not reached"), "\(command): \(lines)")
    }
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["c.yaml"])
    let (code, lines) = try run(["run", "c.yaml", "--quiet"], in: folder)
    #expect(code == 0 && lines.count == 1, "\(lines)")
    #expect(lines[0].hasPrefix("score-sde: warning: c.yaml:3: process: the prior is not reached"))
    #expect(try run(["validate", "c.yaml"], in: folder).code == 0)
    // With the remedy there is nothing to say.
    let cured = try run(["run", "c.yaml", "--strict", "--set", "coordinates=[standardise]"], in: folder)
    #expect(cured.code == 0 && !cured.lines.contains { $0.contains("warning") }, "\(cured.lines)")
  }
}
