// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation

/// Trained networks by their identity, so that no experiment trains again what another one has trained already, and a
/// changed option destroys nothing.
///
/// A training whose identity without its number of steps has the checksum F is kept as `F-STEPS.safetensors`, with its
/// log `F-STEPS.csv`. While it runs, or when it was stopped, it is `F-STEPS.unfinished.safetensors`, and
/// `F-STEPS.previous.safetensors` is the checkpoint before that one; both have the log inside. `F.txt` tells what F
/// stands for, and `F-STEPS.lock` is there while somebody trains: others who want the same network wait for it. Each
/// file is there as a whole or not at all.
public struct ModelStore: Sendable {
  /// The folder's path.
  public let folder: String

  /// A store in a folder, which is made when the first network is kept.
  public init(_ folder: String) { self.folder = folder }

  /// The folder that the environment variable `SCORE_SDE_MODELS` names, else `Results/.models`.
  public static var `default`: ModelStore {
    guard let named = ProcessInfo.processInfo.environment["SCORE_SDE_MODELS"], !named.isEmpty else {
      return ModelStore("Results/.models")
    }
    // A link that somebody names is meant; one that lies in a folder of results is not.
    return ModelStore(
      realpath(named, nil).map { path in
        defer { free(path) }
        return String(cString: path)
      } ?? named)
  }

  /// A place for a network and for the log of its training.
  struct Entry: Equatable {
    let checkpoint, log: String

    init(checkpoint: String, log: String) { (self.checkpoint, self.log) = (checkpoint, log) }

    fileprivate init(_ folder: String, _ name: String) {
      self.init(checkpoint: "\(folder)/\(name).safetensors", log: "\(folder)/\(name).csv")
    }

    var exists: Bool { FileManager.default.fileExists(atPath: checkpoint) }

    /// Whether the other one's checkpoint is another name of the same file.
    func isSameFile(as other: Entry) -> Bool {
      var (mine, theirs) = (stat(), stat())
      return lstat(checkpoint, &mine) == 0 && lstat(other.checkpoint, &theirs) == 0 && mine.st_ino == theirs.st_ino
        && mine.st_dev == theirs.st_dev
    }

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

  /// The last checkpoint of a training that runs or was stopped.
  func unfinished(_ identity: TrainingIdentity) -> Entry { entry(identity, ending: ".unfinished") }

  /// The checkpoint before the last one.
  func previous(_ identity: TrainingIdentity) -> Entry { entry(identity, ending: ".previous") }

  /// What a network's files begin with.
  static func name(_ identity: TrainingIdentity) -> String { "\(identity.family)-\(identity.steps ?? 0)" }

  private func entry(_ identity: TrainingIdentity, ending: String) -> Entry {
    Entry(folder, Self.name(identity) + ending)
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
    try Team.current.onRoot {
      try ResultsFolder.make(folder, words: "; SCORE_SDE_MODELS=FOLDER names another one", allowsLink: false)
      AtomicFile.removeLeftovers(in: folder)
      let path = "\(folder)/\(identity.family).txt"
      if !FileManager.default.fileExists(atPath: path) { try AtomicFile.write(identity.text, to: path) }
    }
  }

  /// Keeps others from training the same network meanwhile.
  /// - Parameter onWait: is told once that somebody else trains it, who is waited for.
  /// - Returns: the lock, which rank 0 holds for all, and whether it was waited for.
  func lock(
    _ identity: TrainingIdentity, onWait: (InUseError) -> Void
  ) throws -> (lock: FileLock?, isLate: Bool) {
    var held: FileLock?
    let isLate = try Team.current.fromRoot { () -> Bool in
      let (lock, isLate) = try ownLock(identity, onWait: onWait)
      held = lock
      return isLate
    }
    return (held, isLate)
  }

  private func ownLock(
    _ identity: TrainingIdentity, onWait: (InUseError) -> Void
  ) throws -> (lock: FileLock, isLate: Bool) {
    let path = "\(folder)/\(Self.name(identity)).lock"
    var isLate = false
    while true {
      do {
        return (try FileLock(path, of: path), isLate)
      } catch let error as InUseError {
        if !isLate { onWait(error) }
        isLate = true
        Pulse.beat()
        usleep(100_000)
        try StopSignals.check()
      }
    }
  }

  /// Removes the lock of a run that was killed when it had trained the network.
  func removeDeadLock(_ identity: TrainingIdentity) {
    let path = "\(folder)/\(Self.name(identity)).lock"
    if Team.current.isRoot, FileManager.default.fileExists(atPath: path) { (try? FileLock(path, of: path))?.release() }
  }

  /// Takes in a checkpoint that another folder holds, unless the store has it.
  func adopt(_ other: Entry, as entry: Entry) throws {
    guard !entry.exists else { return }
    if FileManager.default.fileExists(atPath: other.log) { try AtomicFile.write(other.logText, to: entry.log) }
    try AtomicFile.link(other.checkpoint, to: entry.checkpoint)
  }

  /// Gives a damaged file of the store another name, so that nothing finds it and nobody loses it.
  func setAside(_ damaged: DamagedCheckpoint) {
    if Team.current.isRoot, damaged.path.hasPrefix(folder + "/") { rename(damaged.path, damaged.path + ".damaged") }
  }
}
