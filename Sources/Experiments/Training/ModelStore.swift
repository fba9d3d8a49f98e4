// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation

/// Trained networks by their identity, so that no experiment trains again what another one has trained already, and a
/// changed option destroys nothing.
///
/// A training whose identity without its number of steps has the checksum F is kept as `F-STEPS.safetensors`, with its
/// log `F-STEPS.csv`; one that was stopped as `F-STEPS.unfinished.safetensors`. `F.txt` tells what F stands for.
/// Several programs may write the same network at once: each file is there as a whole or not at all.
public struct ModelStore: Sendable {
  public let folder: String

  public init(_ folder: String) { self.folder = folder }

  /// The folder that the environment variable `SCORE_SDE_MODELS` names, else `Results/.models`.
  public static var `default`: ModelStore {
    let folder = ProcessInfo.processInfo.environment["SCORE_SDE_MODELS"]
    return ModelStore(folder.flatMap { $0.isEmpty ? nil : $0 } ?? "Results/.models")
  }

  /// A place for a network and for the log of its training.
  struct Entry: Equatable {
    let checkpoint, log: String

    init(checkpoint: String, log: String) { (self.checkpoint, self.log) = (checkpoint, log) }

    fileprivate init(_ folder: String, _ name: String) {
      self.init(checkpoint: "\(folder)/\(name).safetensors", log: "\(folder)/\(name).csv")
    }

    var exists: Bool { FileManager.default.fileExists(atPath: checkpoint) }

    /// The log's text; empty where there is none.
    var logText: String {
      FileManager.default.contents(atPath: log).map { String(decoding: $0, as: UTF8.self) } ?? ""
    }

    func remove() {
      unlink(checkpoint)
      unlink(log)
    }
  }

  func finished(_ identity: TrainingIdentity) -> Entry { entry(identity, ending: "") }

  func unfinished(_ identity: TrainingIdentity) -> Entry { entry(identity, ending: ".unfinished") }

  private func entry(_ identity: TrainingIdentity, ending: String) -> Entry {
    Entry(folder, "\(identity.family)-\(identity.steps ?? 0)\(ending)")
  }

  /// All networks that differ from this one in their number of steps alone.
  func family(of identity: TrainingIdentity) -> [Entry] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    return names.filter { $0.hasPrefix(identity.family + "-") && $0.hasSuffix(".safetensors") }.sorted().map {
      Entry(folder, String($0.dropLast(".safetensors".count)))
    }
  }

  /// Makes the folder, and writes what its networks of this identity are.
  func prepare(for identity: TrainingIdentity) throws {
    do {
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    } catch {
      throw InputError("this folder cannot be made; SCORE_SDE_MODELS=FOLDER names another one", at: folder)
    }
    let path = "\(folder)/\(identity.family).txt"
    if !FileManager.default.fileExists(atPath: path) { try AtomicFile.write(identity.text, to: path) }
  }

  /// Takes in a checkpoint that another folder holds, unless the store has it.
  func adopt(_ other: Entry, as entry: Entry) throws {
    guard !entry.exists else { return }
    try Self.link(other.checkpoint, to: entry.checkpoint)
    if FileManager.default.fileExists(atPath: other.log) { try AtomicFile.write(other.logText, to: entry.log) }
  }

  /// Gives a file another name, which takes the place of whatever had it: as a hard link, or as a copy where there can
  /// be none.
  static func link(_ path: String, to other: String) throws {
    var (mine, theirs) = (stat(), stat())
    if stat(path, &mine) == 0, stat(other, &theirs) == 0, mine.st_ino == theirs.st_ino, mine.st_dev == theirs.st_dev {
      return
    }
    let temporary = "\(other).\(getpid()).link"
    unlink(temporary)
    if Glibc.link(path, temporary) == 0 {
      if rename(temporary, other) == 0 { return }
      unlink(temporary)
    }
    guard let data = FileManager.default.contents(atPath: path) else {
      throw WriteError(path: other, reason: "\(path) cannot be read")
    }
    try AtomicFile.write(data, to: other)
  }
}
