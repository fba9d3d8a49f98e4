import CGSL
import CKernels
import CPNG
// SPDX-License-Identifier: GPL-3.0-or-later
import CSystem
import CZlib
import Core
import Foundation
import Plots

/// `manifest.json`: what made these results, and when, and which files they are.
struct Manifest: Encodable {
  var program = "score-sde \(version)"
  /// The commit that the program was built from, with `-dirty` where files were changed; `unknown` where the build was
  /// not told (`make` tells it, a bare `swift build` does not).
  var commit = String(cString: scoresde_commit())
  var kernels = [String(cString: ck_kernel_set()), String(cString: ck_kernel_version())].filter { !$0.isEmpty }.joined(
    separator: " ")
  var gsl = String(cString: scoresde_gsl_version())
  var dependencies = Manifest.dependencies
  var system = ProcessInfo.processInfo.operatingSystemVersionString
  var processor = Manifest.processor("model name").first ?? "unknown"
  var processorFeatures = Manifest.features
  var processors = Shards.processors
  var threads: Int
  /// How many ranks shared the run; nil: it was one process.
  var ranks = Team.current.count > 1 ? Team.current.count : nil
  var name: String
  /// nil of a sweep, whose runs have their own.
  var seed: UInt64?
  /// The SHA-256 of `config.yaml`.
  var configHash: String
  /// The checksum of the data's files; of data that is drawn, the SHA-256 of what says how. nil of a sweep.
  var dataHash: String?
  var started: String
  var finished = ""
  /// Wall seconds of each stage that ran.
  var seconds: [String: Double] = [:]
  var trainingReused = false
  /// The program, its kernels and the processor's instructions, in one line: where they are the same, so are numbers.
  static var stamp: String {
    let (program, commit) = ("score-sde \(version)", String(cString: scoresde_commit()))
    let kernels = "\(String(cString: ck_kernel_set())) \(String(cString: ck_kernel_version()))"
    return "\(program) of commit \(commit) with \(kernels) and \(features.joined(separator: " "))"
  }

  /// The most memory that the program held, in MiB.
  var peakMemoryMib = 0
  /// What a reader of the results should know.
  var notes: [String] = []
  var failures: [String] = []
  /// The SHA-256 of every file that this program wrote into the folder, by name, but for the manifest.
  var files: [String: String] = [:]
  /// Of a sweep: the finished runs by the names of their folders, with the hashes of their configs.
  var runs: [String: String]?
  /// Of a sweep: how many runs it has, and how many were done at a time.
  var runCount, jobs: Int?

  /// Of a sweep.
  /// - Parameter config: the text of its `config.yaml`.
  init(sweep name: String, config: String, count: Int, jobs: Int, threads: Int) {
    (self.name, self.threads, self.jobs, runCount) = (name, threads, jobs, count)
    configHash = SHA256.text(of: config)
    started = Self.now()
  }

  init(_ plan: ExperimentPlan, threads: Int) {
    self.threads = threads
    (name, seed) = (plan.name, plan.seed)
    configHash = SHA256.text(of: plan.resolved)
    let fingerprint = plan.data.fingerprint
    dataHash = fingerprint.isEmpty ? SHA256.text(of: plan.model.dataText) : fingerprint
    started = Self.now()
  }

  /// The versions of what this program is made of. Those of packages are the ones of Package.resolved; a test compares.
  static var dependencies: [String: String] {
    let kernels = String(cString: ck_kernel_version())
    var versions = packages
    versions["gsl"] = String(cString: scoresde_gsl_version())
    versions["libpng"] = String(cString: png_get_libpng_ver(nil))
    versions["cairo"] = Figure.cairoVersion
    versions["zlib"] = String(cString: zlibVersion())
    versions["onednn"] = kernels.isEmpty ? nil : kernels
    return versions
  }

  static let packages = ["yams": "6.2.2", "swift-argument-parser": "1.8.2"]

  /// What the processor says of itself under a key.
  private static func processor(_ key: String) -> [String] {
    let lines = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8))?.split(separator: "\n") ?? []
    let line = lines.first { $0.hasPrefix(key) }
    return line?.split(separator: ":", maxSplits: 1).last.map { [$0.trimmingCharacters(in: .whitespaces)] } ?? []
  }

  /// Those instruction sets that kernels and libraries choose by.
  private static var features: [String] {
    let all = (processor("flags") + processor("Features")).joined(separator: " ").split(separator: " ").map(String.init)
    return all.filter { name in ["sse4", "avx", "fma", "f16c", "amx", "asimd", "sve"].contains { name.hasPrefix($0) } }
      .sorted()
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

  /// The files that a folder's manifest lists, with their hashes; nil where it has none. A name that leads out of the
  /// folder is not taken.
  static func files(of folder: String) -> [String: String]? { summary(of: folder)?.files }

  /// What others ask of a manifest.
  struct Summary {
    /// As `Manifest.files`, without names that lead out of the folder.
    let files: [String: String]
    let configHash: String?
    /// Whether the run came to its end: its samples were judged, and nothing failed.
    let isDone: Bool
    let failures: [String]
    /// Of a sweep.
    let runs: [String: String]?
    let runCount: Int?
  }

  /// The manifest of a folder; nil where it has none that can be read.
  static func summary(of folder: String) -> Summary? {
    guard let data = FileManager.default.contents(atPath: folder + "/manifest.json"),
      let manifest = try? JSONSerialization.jsonObject(with: data) as? [String: Any],
      let files = manifest["files"] as? [String: String]
    else { return nil }
    let isJudged = (manifest["seconds"] as? [String: Any])?["evaluate"] != nil
    return Summary(
      files: files.filter { ResultsFolder.isName($0.key) }, configHash: manifest["config_hash"] as? String,
      isDone: isJudged && (manifest["failures"] as? [Any])?.isEmpty == true,
      failures: manifest["failures"] as? [String] ?? [],
      runs: manifest["runs"] as? [String: String], runCount: manifest["run_count"] as? Int)
  }
}

/// The program's version.
public let version = "0.1.0"
