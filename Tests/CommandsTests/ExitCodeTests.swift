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

  @Test("numbers beyond what an option takes are wrong usage: 64, and its ends are not")
  func limits() throws {
    let folder = NSTemporaryDirectory() + "score-sde-" + UUID().uuidString
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let config = "Experiments/vp-mixture-exact.yaml"
    func score(_ threads: Int) throws -> Int32 {
      try code(
        ["score", config, "--at", "0.5", "--count", "10", "--quiet", "--to", "/dev/null", "--threads", "\(threads)"],
        models: folder)
    }
    #expect(try [0, 1, 1024, 1025].map(score) == [64, 0, 0, 64])
    func counted(_ count: Int) throws -> Int32 {
      try code(
        ["score", config, "--at", "0.5", "--count", "\(count)", "--quiet", "--to", "/dev/null"], models: folder)
    }
    #expect(try [0, 1].map(counted) == [64, 0])
    func converge(_ steps: String) throws -> Int32 {
      try code(
        [
          "converge", config, "--to", "/dev/null", "--rows", "16", "--quiet", "--steps", steps, "--set",
          "sampling.solvers=[{name: em, kind: euler-maruyama, steps: 4}]",
        ], models: folder)
    }
    #expect(try ["3,10", "4,10", "10,10", "10"].map(converge) == [64, 0, 64, 64])
  }
}
