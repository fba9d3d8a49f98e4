// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation

/// The folders of a sweep's runs. A run's folder is named after its number, which changes when values are added in the
/// middle of a sweep: a finished run then moves to the folder of its new number, and is not done again.
struct SweepFolders {
  /// The sweep's folder.
  let path: String

  func folder(_ run: SweepRun) -> String { "\(path)/\(run.folder)" }

  private func place(_ name: String) -> String { "\(path)/runs/\(name)" }

  /// Where a folder waits while two change places.
  private static let spare = ".moving"

  /// What lies there, but for the runs of the sweep.
  func others(than runs: [SweepRun]) -> [String] {
    let own = Set(runs.map(\.name))
    return names.filter { !own.contains($0) && !$0.hasPrefix(".") }
  }

  private var names: [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: "\(path)/runs")) ?? []).sorted()
  }

  /// Moves finished runs to the folders of their numbers. A folder that a program writes to stays.
  func arrange(_ runs: [SweepRun]) throws {
    var found: [String: String] = [:]
    for name in names { found[name] = RunFolder(path: place(name)).configHash }
    let wanted = Dictionary(runs.map { ($0.name, $0.configHash) }) { first, _ in first }
    var places: [String: [String]] = [:]
    for (name, hash) in found.sorted(by: { $0.key > $1.key }) { places[hash, default: []].append(name) }
    for run in runs where found[run.name] != run.configHash {
      // One that is right where it is stays there.
      guard
        let from = places[run.configHash]?.last(where: { found[$0] == run.configHash && wanted[$0] != run.configHash }),
        try exchange(from, run.name)
      else { continue }
      let other = found[run.name]
      (found[run.name], found[from]) = (run.configHash, other)
      if let other { places[other, default: []].append(from) }
    }
    try settleSpare()
  }

  /// Lets two folders change places, while nobody can begin to write to either.
  /// - Returns: whether it was done: a folder that a program writes to stays.
  private func exchange(_ from: String, _ to: String) throws -> Bool {
    let isTaken = FileManager.default.fileExists(atPath: place(to))
    if isTaken && (from == Self.spare || FileManager.default.fileExists(atPath: place(Self.spare))) { return false }
    guard let own = lock(from), let other = isTaken ? lock(to) : own else { return false }
    if isTaken { try move(to, Self.spare) }
    try move(from, to)
    if isTaken { try move(Self.spare, from) }
    // The list of a run that was killed stays for the next one in its folder.
    if own.earlier.isEmpty { unlink(place(to) + "/.lock") }
    if isTaken && other.earlier.isEmpty { unlink(place(from) + "/.lock") }
    return withExtendedLifetime((own, other)) { true }
  }

  private func lock(_ name: String) -> FileLock? { try? FileLock(place(name) + "/.lock", of: place(name)) }

  private func move(_ from: String, _ to: String) throws {
    guard rename(place(from), place(to)) == 0 else {
      throw WriteError(path: place(to), reason: String(cString: strerror(errno)))
    }
  }

  /// What a program left between two places that was killed meanwhile takes the place that is free.
  private func settleSpare() throws {
    guard FileManager.default.fileExists(atPath: place(Self.spare)) else { return }
    var number = 1
    while FileManager.default.fileExists(atPath: place(SweepRun.name(number))) { number += 1 }
    try move(Self.spare, SweepRun.name(number))
  }
}
