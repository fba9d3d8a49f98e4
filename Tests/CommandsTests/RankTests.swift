// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import Testing

@Suite("Ranks on the command line") struct RankTests {
  /// Runs the program with the environment of a starter of MPI programs.
  private func run(_ arguments: [String], _ variables: [String: String]) throws -> (code: Int32, lines: [Substring]) {
    let (process, output) = (Process(), Pipe())
    process.executableURL = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
      .appendingPathComponent("score-sde")
    process.arguments = arguments
    process.environment = ProcessInfo.processInfo.environment.merging(variables) { $1 }
    (process.standardOutput, process.standardError) = (output, output)
    try process.run()
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    return (process.terminationStatus, text.split(separator: "\n"))
  }

  @Test(
    "a command that ranks cannot share is refused in one line, by rank 0 alone", arguments: ["OMPI_COMM_WORLD", "PMI"])
  func refused(_ starter: String) throws {
    for rank in [0, 1] {
      let (code, lines) = try run(["list"], ["\(starter)_SIZE": "3", "\(starter)_RANK": "\(rank)"])
      #expect(code == 2 && lines.count == 1 - rank, "\(lines)")
      // With MPI and without it.
      #expect(
        rank == 1 || lines[0].contains("'list' cannot be shared by ranks") || lines[0].contains("make MPI=1 build"))
    }
  }

  @Test("one rank is no rank, and words about the program are said once") func allowed() throws {
    let alone = try run(["list", "schedules"], ["OMPI_COMM_WORLD_SIZE": "1", "OMPI_COMM_WORLD_RANK": "0"])
    #expect(alone.code == 0 && alone.lines.count > 3)
    for rank in [0, 1] {
      let help = try run(["--version"], ["PMI_SIZE": "2", "PMI_RANK": "\(rank)"])
      #expect(help.code == 0 && help.lines.count == 1 - rank)
    }
  }

  @Test("threads that no lane is left for are told of in a line", arguments: [2, 3]) func idle(_ threads: Int) throws {
    let folder = NSTemporaryDirectory() + "score-sde-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let config = """
      name: idle
      data: {kind: digits}
      process: {kind: vp}
      score: {kind: network, prediction: noise, network: {kind: mlp, hidden: [8]}}
      training: {steps: 2, batch: 64}
      sampling: {count: 2, solvers: [{name: em, kind: euler-maruyama, steps: 2}]}
      """
    try config.write(toFile: folder + "/c.yaml", atomically: true, encoding: .utf8)
    let (code, lines) = try run(
      ["train", folder + "/c.yaml", "--output", folder + "/out", "--threads", "\(threads)"],
      ["SCORE_SDE_MODELS": folder + "/models"])
    let told = lines.filter { $0.contains("lane") }
    #expect(code == 0 && told.count == threads - 2, "\(lines)")
    #expect(told.allSatisfy { $0.contains("of 64 rows has 2 lanes, and so 2 of the 3 threads compute gradients; ") })
  }
}
