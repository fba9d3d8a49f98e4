// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation

/// The programs of Slurm that a sweep calls: sbatch, squeue, scontrol.
public struct Slurm: Sendable {
  /// Where programs are looked for, as in `PATH`.
  private let folders: [String]

  /// - Parameter path: where programs are looked for; nil: the environment's `PATH`.
  public init(path: String? = nil) {
    let text = path ?? ProcessInfo.processInfo.environment["PATH"] ?? ""
    folders = text.split(separator: ":").map(String.init)
  }

  /// What a program wrote, and its exit code.
  struct Answer {
    let code: Int32
    let output, errors: String

    /// What went wrong, as one line and in the program's own words.
    func complaint(of program: String) -> String {
      let lines = errors.split(whereSeparator: \.isNewline).map { line in
        ["\(program): error: ", "\(program): fatal: ", "\(program): "].first { line.hasPrefix($0) }.map {
          String(line.dropFirst($0.count))
        } ?? String(line)
      }
      return "\(program): \(lines.isEmpty ? "exit code \(code), and no word" : lines.joined(separator: "; "))"
    }
  }

  /// - Throws: `InputError` where there is no such program.
  private func place(of program: String) throws -> String {
    let places = folders.map { "\($0)/\(program)" }
    guard let place = places.first(where: { FileManager.default.isExecutableFile(atPath: $0) }) else {
      throw InputError(
        "no \(program) in PATH; allowed: a machine with Slurm (Debian: apt-get install slurm-client; `make slurm-test` "
          + "starts one for a test), --write-only, or --jobs N without --slurm", at: "--slurm")
    }
    return place
  }

  /// Asks before anything is written.
  /// - Throws: `InputError` where there is no Slurm.
  func require() throws { _ = try place(of: "sbatch") }

  /// Calls a program, and waits for it.
  /// - Throws: `InputError` where it is not there; `WriteError` where it cannot be started.
  func call(_ program: String, _ arguments: [String], in folder: String? = nil) throws -> Answer {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: try place(of: program))
    process.arguments = arguments
    if let folder { process.currentDirectoryURL = URL(fileURLWithPath: folder) }
    let (output, errors) = (Pipe(), Pipe())
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = output
    process.standardError = errors
    do { try process.run() } catch { throw WriteError(path: program, reason: "\(error.localizedDescription)") }
    // What it complains of is short, and fits into the pipe.
    let text = output.fileHandleForReading.readDataToEndOfFile()
    let said = errors.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return Answer(
      code: process.terminationReason == .exit ? process.terminationStatus : 128 + process.terminationStatus,
      output: String(decoding: text, as: UTF8.self), errors: String(decoding: said, as: UTF8.self))
  }

  /// How many indices an array may have, from 0; Slurm's usual number where it does not say.
  func largestArray() -> Int {
    let answer = try? call("scontrol", ["show", "config"])
    for line in answer?.output.split(whereSeparator: \.isNewline) ?? [] where line.hasPrefix("MaxArraySize") {
      if let number = line.split(separator: "=").last.flatMap({ Int($0.trimmingCharacters(in: .whitespaces)) }) {
        return number
      }
    }
    return 1001
  }

  /// The tasks of this user that wait or run: indices by the numbers of their jobs.
  /// - Throws: `InputError` where Slurm does not answer.
  func queue() throws -> [String: Set<Int>] {
    let answer = try call("squeue", ["--noheader", "--array", "--user=\(getuid())", "--format=%F %K"])
    guard answer.code == 0 else { throw InputError(answer.complaint(of: "squeue"), at: "--slurm") }
    var tasks: [String: Set<Int>] = [:]
    for line in answer.output.split(whereSeparator: \.isNewline) {
      let fields = line.split(separator: " ")
      if fields.count == 2, let index = Int(fields[1]) { tasks[String(fields[0]), default: []].insert(index) }
    }
    return tasks
  }
}
