// SPDX-License-Identifier: GPL-3.0-or-later
import ArgumentParser
import Core
import Experiments
import Foundation

/// One run of a sweep, in a process of its own: `sweep` starts it and gives it the run's config, and what was changed in
/// it, by standard input, a byte of 0 behind each. The end of that pipe is the end of the sweep, which this process then
/// follows.
struct SweepRunCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sweep-run", abstract: "One run of a sweep; started by `sweep`.", shouldDisplay: false)
  /// Another process writes to the folder.
  static let inUse: Int32 = 75

  @Option var folder: String
  @Option var threads: Int

  func run() throws {
    try reportingErrors {
      guard let texts = Self.texts(2) else { throw ExitCode(1) }
      Self.followParent()
      do {
        try SweepTask.perform(
          texts[0], overrides: texts[1], catalogue: CommandTool.catalogue, folder: folder, threads: threads)
      } catch is InUseError {
        throw ExitCode(Self.inUse)
      }
    }
  }

  /// What standard input has; nil where the sweep ended before it had written it.
  private static func texts(_ count: Int) -> [String]? {
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 1 << 16)
    var found = 0
    while found < count {
      let length = read(STDIN_FILENO, &chunk, chunk.count)
      if length < 0 && errno == EINTR { continue }
      guard length > 0 else { return nil }
      bytes += chunk[..<length]
      found += chunk[..<length].filter { $0 == 0 }.count
    }
    return bytes.split(separator: 0, omittingEmptySubsequences: false).map { String(decoding: $0, as: UTF8.self) }
  }

  private static func followParent() {
    Thread.detachNewThread {
      var byte: UInt8 = 0
      while read(STDIN_FILENO, &byte, 1) > 0 || errno == EINTR { errno = 0 }
      kill(getpid(), SIGTERM)
    }
  }

  /// Does a run of a sweep in a process of its own, so that one that crashes, or that the system ends where memory
  /// does, fails alone.
  static func perform(_ task: SweepTask) throws {
    let child = try ChildProcess(
      ["sweep-run", "--folder", task.folder, "--threads", String(task.threads)])
    let (end, said) = child.run(with: [task.resolved, task.overrides])
    let prefix = "score-sde: "
    let lines = said.map { $0.hasPrefix(prefix) ? String($0.dropFirst(prefix.count)) : $0 }
    switch end {
    case .code(0):
      // Warnings of the run.
      for line in lines { report("score-sde: run \(task.run.name): \(line)") }
    case .code(inUse): throw InUseError(path: task.folder, process: nil)
    case .code(let code):
      throw RunError(reason: lines.isEmpty ? "it ended with exit code \(code)" : lines.joined(separator: "; "))
    case .signal(let signal):
      let hint = signal == SIGKILL ? ", as the system does where memory ends" : ""
      throw RunError(reason: (lines.suffix(1) + ["it was ended by signal \(signal)\(hint)"]).joined(separator: "; "))
    }
  }

  /// Why a run failed.
  struct RunError: Error, CustomStringConvertible {
    let reason: String
    var description: String { reason }
  }
}
