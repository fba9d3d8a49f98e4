// SPDX-License-Identifier: GPL-3.0-or-later
import Core

extension Sweep {
  private static let width = 80

  /// What each run is, whether it is done, and which run trains its network: a table for the terminal, and a line of
  /// counts. Nothing is written.
  public func listing() -> String {
    var trainers: [String: SweepRun] = [:]
    var (done, trained, trainings) = (0, 0, 0)
    var lines: [(run: SweepRun, state: String, network: String)] = []
    for run in runs {
      let isDone = tables(of: run) != nil
      let isInUse = (try? ResultsFolder.requireUnused("\(folder)/\(run.folder)")) == nil
      done += isDone ? 1 : 0
      lines.append((run, isDone ? "done" : isInUse ? "running" : "to do", network(run, &trainers)))
      if lines.last?.network == "trained" { trained += 1 }
      if lines.last?.network == "to train" { trainings += 1 }
    }
    let headings = Self.shortened(keys)
    let table = TextTable(
      [["run"] + headings + ["state", "network"]]
        + lines.map { [$0.run.name] + $0.run.values + [$0.state, $0.network] })
    let text =
      table.text.split(separator: "\n").allSatisfy { $0.displayWidth <= Self.width }
      ? table.text : narrow(lines, headings)
    let counts =
      "\(runs.count) runs: \(done) done, \(runs.count - done) to do; \(trainings) network\(trainings == 1 ? "" : "s") to "
      + "train; \(jobs) at a time, \(threads) thread\(threads == 1 ? "" : "s") each"
    return "\(text)\n\(counts)"
  }

  private func network(_ run: SweepRun, _ trainers: inout [String: SweepRun]) -> String {
    guard let network = run.network else { return "none" }
    let name = ModelStore.name(network)
    if let first = trainers[name] { return "as \(first.name)" }
    trainers[name] = run
    return hasNetwork(run) ? "trained" : "to train"
  }

  /// The last parts of every key, as many as it takes to tell it from the others.
  static func shortened(_ keys: [String]) -> [String] {
    let parts = keys.map { $0.split(separator: ".") }
    return parts.indices.map { index in
      let count = (1...max(1, parts[index].count)).first { count in
        parts.indices.allSatisfy { $0 == index || parts[$0].suffix(count) != parts[index].suffix(count) }
      }
      return parts[index].suffix(count ?? parts[index].count).joined(separator: ".")
    }
  }

  /// For settings that need more room than a line has: they go on in the next lines.
  private func narrow(_ lines: [(run: SweepRun, state: String, network: String)], _ headings: [String]) -> String {
    let front = TextTable([["run", "state", "network"]] + lines.map { [$0.run.name, $0.state, $0.network] }).text
      .split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    let indent = (front.first?.count ?? 0) + 2
    var text = ["\(front[0])  settings"]
    for (line, head) in zip(lines, front.dropFirst()) {
      let settings = zip(headings, line.run.values).filter { !$1.isEmpty }.map { "\($0)=\($1)" }
      for (index, part) in settings.joined(separator: " ").wrapped(at: Self.width - indent).enumerated() {
        let part = part.cut(to: Self.width - indent)
        text.append(index == 0 ? "\(head)  \(part)" : String(repeating: " ", count: indent) + part)
      }
    }
    return text.joined(separator: "\n")
  }
}
