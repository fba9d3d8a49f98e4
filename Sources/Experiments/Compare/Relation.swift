// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation

/// What two results folders have in common: whether their figures can be compared, and how their configs differ.
struct Relation {
  /// Whether both were judged by rows of the same data.
  let isComparable: Bool
  /// A line each.
  let remarks: [String]

  /// How many keys of configs are shown.
  private static let longest = 24

  init(_ reading: ResultsReading, to first: ResultsReading) {
    var remarks: [String] = []
    let changes = Self.changes(first.config, reading.config)
    let dataChanges = changes?.filter { $0.hasPrefix("data.") || $0.hasPrefix("data ") } ?? []
    let seeds = [first.seed, reading.seed]
    let hasFiles = first.config.map { $0.contains("\n  path: ") } ?? false
    if !dataChanges.isEmpty {
      isComparable = false
      remarks.append("other data (\(dataChanges[0])): nothing is marked")
    } else if first.dataHash != reading.dataHash, seeds[0] == seeds[1] || hasFiles {
      isComparable = false
      remarks.append("data of other content (data_hash of the manifests): nothing is marked")
    } else {
      isComparable = true
      if seeds[0] != seeds[1] {
        remarks.append(
          "other seeds (\(seeds[0]), \(seeds[1])): other held-out rows of the same data, where they are drawn")
      }
    }
    let counts = Self.counts(reading, first)
    if !counts.isEmpty { remarks.append("\(counts); figures of other counts are not marked") }
    if [reading, first].contains(where: { $0.figures.contains { $0.figures.contains { $0.low == nil } } }) {
      remarks.append("figures without an interval are not marked")
    }
    if let changes {
      let known = changes.filter { !$0.hasPrefix("name ") }
      remarks += known.prefix(Self.longest).map { "config: \($0)" }
      if known.count > Self.longest { remarks.append("config: and \(known.count - Self.longest) more keys") }
      if known.isEmpty { remarks.append("config: the same but for the name") }
    } else {
      remarks.append("a folder has no config.yaml that can be read: configs are not compared")
    }
    self.remarks = remarks
  }

  private static func changes(_ old: String?, _ new: String?) -> [String]? {
    guard let old, let new else { return nil }
    return ConfigChanges.found(from: old, to: new)?.map(\.line)
  }

  /// Which counts of samples or held-out rows differ, in words; empty where none do.
  private static func counts(_ a: ResultsReading, _ b: ResultsReading) -> String {
    func counts(_ reading: ResultsReading, _ value: (ResultsReading.Figure) -> String) -> Set<String> {
      Set(reading.figures.flatMap(\.figures).filter { !$0.solver.isEmpty }.map(value).filter { !$0.isEmpty })
    }
    func listed(_ set: Set<String>) -> String { set.sorted().joined(separator: ", ") }
    let (samples, heldOut) = ([a, b].map { counts($0) { $0.count } }, [a, b].map { counts($0) { $0.heldOut } })
    let parts = [(samples, "samples"), (heldOut, "held-out rows")].compactMap { sets, word in
      sets[0] == sets[1] || sets.contains(where: \.isEmpty) ? nil : "\(listed(sets[0])) and \(listed(sets[1])) \(word)"
    }
    return parts.joined(separator: "; ")
  }
}
