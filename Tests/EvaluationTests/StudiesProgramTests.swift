// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import Pairs
import Testing

@Suite("The program of studies") struct StudiesProgramTests {
  /// Runs `score-sde-studies`, which is built beside the tests.
  private func run(_ arguments: [String]) throws -> (code: Int32, output: String, errors: String) {
    let (process, output, errors) = (Process(), Pipe(), Pipe())
    process.executableURL = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
      .appendingPathComponent("score-sde-studies")
    process.arguments = arguments
    (process.standardOutput, process.standardError) = (output, errors)
    try process.run()
    let texts = [output, errors].map { String(decoding: $0.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self) }
    process.waitUntilExit()
    return (process.terminationStatus, texts[0], texts[1])
  }

  @Test("--help names all studies and options, wherever it stands, within 120 columns")
  func help() throws {
    for arguments in [["--help"], ["-h"], ["coverage", "--help"], ["coverage", "--rows", "-h"]] {
      let (code, output, errors) = try run(arguments)
      #expect(code == 0 && errors.isEmpty)
      for word in [
        "sanity-checks", "copy-test", "coverage", "--metrics", "--laws", "--repeats", "--rows", "--seed", "--csv",
        "near-2, far-2, near-8, far-8, near-64",
      ] {
        #expect(output.contains(word), "\(word)")
      }
      #expect(output.split(separator: "\n").allSatisfy { $0.count <= 120 })
    }
  }

  @Test(
    "words that mean nothing are refused with one line and code 2, before any work",
    arguments: [
      ([], "no study is named; allowed: sanity-checks, copy-test, coverage"), (["size"], "the study is 'size'"),
      (["sanity-checks", "3"], "sanity-checks has no options"),
      (["copy-test", "--seed", "1"], "copy-test has no options"),
      (["coverage", "--colour"], "'--colour' is no option; allowed: --metrics, --laws"),
      (["coverage", "--seed"], "--seed has no value"),
      (["coverage", "--seed", "-1"], "--seed is '-1'; allowed: whole"),
      (["coverage", "--rows", "1"], "--rows is '1'; allowed: whole numbers from 2"),
      (["coverage", "--repeats", "1e3"], "--repeats is '1e3'"),
      (["coverage", "--laws", "near-3"], "--laws has 'near-3'; allowed: near-2, far-2"),
      (["coverage", "--metrics", "kid,,mmd"], "--metrics has ''; allowed: sliced-wasserstein, mmd"),
      (["coverage", "--metrics", "copy-test"], "--metrics has 'copy-test'"),
      (["coverage", "--csv", "/no/such/folder/x.csv"], "--csv is '/no/such/folder/x.csv', which cannot be written"),
    ] as [([String], String)])
  func refusals(_ arguments: [String], _ expected: String) throws {
    let (code, output, errors) = try run(arguments)
    #expect(code == 2 && output.isEmpty)
    #expect(errors.hasPrefix("score-sde-studies: ") && errors.contains(expected), "\(errors)")
    #expect(errors.filter { $0 == "\n" }.count == 1)
  }

  @Test("coverage prints the table of what is asked for, with seconds to two places, and writes all figures")
  func coverage() throws {
    let file = FileManager.default.temporaryDirectory.appendingPathComponent("coverage-\(UUID().uuidString).csv")
    defer { try? FileManager.default.removeItem(at: file) }
    func table(_ seed: String) throws -> (output: String, errors: String, csv: String) {
      let (code, output, errors) = try run([
        "coverage", "--metrics", "energy-distance,kid", "--laws", "far-8,near-2", "--repeats", "8", "--rows", "20",
        "--seed",
        seed, "--csv", file.path,
      ])
      #expect(code == 0)
      return (output, errors, try String(contentsOf: file, encoding: .utf8))
    }
    let first = try table("3")
    let lines = first.output.split(separator: "\n")
    #expect(lines.count == 4 && lines[0] == "| metric | near, 2 | far, 8 |")
    #expect(lines[2].hasPrefix("| `energy-distance` | ") && lines[3].hasPrefix("| `kid` | "))
    // A line a metric: shares in percent, and seconds to two places.
    let report = try Regex(
      #"^energy-distance: [*0-9.]+, [*0-9.]+ %; [0-9]+\.[0-9]{2} s\nkid: .* %; [0-9]+\.[0-9]{2} s\n$"#)
    #expect(first.errors.contains(report), "\(first.errors)")
    #expect(first.csv.split(separator: "\n").count == 5)
    #expect(try table("3").csv == first.csv)
    #expect(try table("4").csv != first.csv)
  }
}
