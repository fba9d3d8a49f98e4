// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import Testing

@Suite("Exit codes") struct ExitCodeTests {
  private func code(_ arguments: [String], models: String) throws -> Int32 {
    let process = try start(arguments, models: models)
    process.waitUntilExit()
    return process.terminationStatus
  }

  @Test("a full disk is no wrong input: 1; a folder that is not there, and a wrong option, are: 2")
  func writing() throws {
    let folder = NSTemporaryDirectory() + "score-sde-" + UUID().uuidString
    defer { try? FileManager.default.removeItem(atPath: folder) }
    func score(_ arguments: [String]) throws -> Int32 {
      try code(
        ["score", "Experiments/vp-mixture-exact.yaml", "--at", "0.5", "--count", "100", "--quiet"] + arguments,
        models: folder)
    }
    #expect(try score(["--to", "/dev/full"]) == 1)
    #expect(try score(["--to", "/dev/null"]) == 0)
    #expect(try score(["--to", folder + "/nowhere/s.csv"]) == 2)
    #expect(try score(["--to", "/dev/null", "--set", "seed=-1"]) == 2)
    // The old spelling.
    #expect(try score(["--output", "/dev/null"]) == 0)
    #expect(try score([]) == 64)
    let full = try #require(FileHandle(forWritingAtPath: "/dev/full"))
    let listing = try start(["list"], models: folder, output: full)
    listing.waitUntilExit()
    #expect(listing.terminationStatus == 1)
  }
}
