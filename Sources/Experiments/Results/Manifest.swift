// SPDX-License-Identifier: GPL-3.0-or-later
import CGSL
import CKernels
import Core
import Foundation

/// `manifest.json`: what made these results, and when.
struct Manifest: Encodable {
  var program = "score-sde \(version)"
  var kernels = [String(cString: ck_kernel_set()), String(cString: ck_kernel_version())].filter { !$0.isEmpty }.joined(
    separator: " ")
  var gsl = String(cString: scoresde_gsl_version())
  var system = ProcessInfo.processInfo.operatingSystemVersionString
  var processor = Manifest.processorName
  var processors = Shards.processors
  var threads: Int
  var name: String
  var seed: UInt64
  var started: String
  var finished = ""
  /// Wall seconds of each stage that ran.
  var seconds: [String: Double] = [:]
  var trainingReused = false
  /// The most memory that the program held, in MiB.
  var peakMemoryMib = 0
  var failures: [String] = []
  /// What is left out of the results, and why: metrics that are not defined for these rows.
  var notes: [String] = []

  private static var processorName: String {
    let lines = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8))?.split(separator: "\n") ?? []
    let line = lines.first { $0.hasPrefix("model name") }
    return line?.split(separator: ":").last.map { $0.trimmingCharacters(in: .whitespaces) } ?? "unknown"
  }

  /// In MiB, as the system counts resident pages.
  static var peakMemory: Int {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    return usage.ru_maxrss / 1024
  }

  static func now() -> String { ISO8601DateFormatter().string(from: Date()) }

  func encoded() throws -> Data {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    encoder.keyEncodingStrategy = .convertToSnakeCase
    return try encoder.encode(self) + Data("\n".utf8)
  }
}

/// The program's version.
public let version = "0.1.0"
