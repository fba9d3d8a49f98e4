// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Plots
import Synchronization

/// A folder of results. Every file is there as a whole or not at all (`AtomicFile`), and one run at a time writes to
/// it: the file `.lock` is there meanwhile, and lists what the run writes. A run that comes to its end leaves the list,
/// with a hash of every file, in `manifest.json` instead.
public struct ResultsFolder: Sendable {
  /// The folder's path.
  public let path: String
  private let record: Record?

  /// The folder of a run that writes: makes it where it is missing, locks it, and removes the temporary files of runs
  /// that were killed.
  /// - Parameters:
  ///   - path: the folder.
  ///   - inner: the folder that is made within it.
  /// - Throws: `InputError` for a place where no folder can be; `InUseError` where another run writes; `WriteError`
  public init(creating path: String, holds inner: String = "samples") throws {
    self.path = path
    var made: Record?
    // Rank 0 alone writes.
    try Team.current.onRoot { made = try Self.begin(path, holds: inner) }
    record = made
  }

  private static func begin(_ path: String, holds inner: String) throws -> Record {
    try Self.make(path)
    let lock = try FileLock(path + "/.lock", of: path)
    AtomicFile.removeLeftovers(in: path)
    for folder in Set(Self.folders + [inner]).map({ "\(path)/\($0)" }) {
      var status = stat()
      // The others are made when they are needed.
      if folder.hasSuffix("/\(inner)") || lstat(folder, &status) == 0 { try Self.make(folder, allowsLink: false) }
      AtomicFile.removeLeftovers(in: folder)
    }
    return Record(lock, hashes: Manifest.files(of: path) ?? [:])
  }

  /// The folders that a results folder may have in it.
  static let folders = ["samples", TrainingPreview.folder, TrainingEvents.folder]

  /// An existing folder, to be read.
  public init(existing path: String) throws {
    self.path = path
    record = nil
    let isThere = Team.current.decided {
      var isFolder: ObjCBool = false
      return FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) && isFolder.boolValue
    }
    guard isThere else {
      throw InputError("no such results folder; `run` or `train` makes it", at: path)
    }
  }

  /// Whether a run writes there now: asked before anything long begins.
  /// - Throws: `InUseError`
  static func requireUnused(_ path: String) throws {
    try Team.current.onRoot { try FileLock.check(path + "/.lock", of: path) }
  }

  /// What a run wrote, and what others before it did.
  private final class Record: Sendable {
    struct Names {
      /// The files of the last manifest with their hashes.
      var hashes: [String: String]
      /// What was written since then.
      var written: Set<String>
    }

    private let lock: Mutex<FileLock>
    let names: Mutex<Names>

    init(_ lock: consuming sending FileLock, hashes: [String: String]) {
      names = Mutex(Names(hashes: hashes, written: Set(lock.earlier.filter(ResultsFolder.isName))))
      self.lock = Mutex(lock)
    }

    /// Notes a file before it is written.
    func note(_ name: String) throws {
      guard names.withLock({ $0.written.insert(name).inserted }) else { return }
      try lock.withLock { try $0.note(name) }
    }

    func release() { lock.withLock { $0.release() } }
  }

  /// Makes a folder where it is missing, with those that it lies in.
  /// - Parameters:
  ///   - words: what else to say where it cannot be made.
  ///   - allowsLink: whether it may be a link to a folder somewhere else.
  /// - Throws: `InputError` where something else has its name; `WriteError` where it cannot be made.
  static func make(_ path: String, words: String = "", allowsLink: Bool = true) throws {
    var status = stat()
    if !allowsLink, lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFLNK {
      throw InputError("is a link, which may lead anywhere; allowed: a folder\(words)", at: path)
    }
    if stat(path, &status) == 0 {
      guard status.st_mode & S_IFMT == S_IFDIR else { throw InputError("is not a folder\(words)", at: path) }
      return
    }
    let parent = parentFolder(of: path)
    if !parent.isEmpty, parent != path, mkdir(path, 0o777) != 0, errno == ENOENT {
      try make(parent, words: words)
    }
    if mkdir(path, 0o777) == 0 || errno == EEXIST, stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR {
      return
    }
    let reason = String(cString: strerror(errno))
    guard ![EEXIST, ENOENT, ENOTDIR, ELOOP, ENAMETOOLONG].contains(errno) else {
      throw InputError("this folder cannot be made (\(reason))\(words)", at: path)
    }
    throw WriteError(path: path, reason: reason)
  }

  /// The path of a file in it.
  public func file(_ name: String) -> String { "\(path)/\(name)" }

  /// Whether a file is there.
  public func exists(_ name: String) -> Bool {
    Team.current.decided { FileManager.default.fileExists(atPath: file(name)) }
  }

  /// A file's text; nil where there is none.
  public func text(_ name: String) -> String? {
    Team.current.decided {
      FileManager.default.contents(atPath: file(name)).flatMap { String(data: $0, encoding: .utf8) }
    }
  }

  /// The files in one of `folders`, by their names from here, sorted; none where it is missing.
  func names(in folder: String) -> [String] {
    Team.current.decided {
      ((try? FileManager.default.contentsOfDirectory(atPath: file(folder))) ?? []).sorted().map { "\(folder)/\($0)" }
    }
  }

  /// Removes a file; none is no error.
  public func remove(_ name: String) { if Team.current.isRoot { unlink(file(name)) } }

  /// The path of a file that is about to be written piece by piece; it then stands in the manifest.
  func fileToWrite(_ name: String) throws -> String {
    try record?.note(name)
    let parts = name.split(separator: "/")
    if Team.current.isRoot, parts.count > 1, parts[0] != "samples" {
      try Self.make("\(path)/\(parts[0])", allowsLink: false)
    }
    return file(name)
  }

  /// Writes a file as a whole and notes it for the manifest.
  /// - Throws: `WriteError`.
  public func write(_ data: Data, to name: String) throws {
    try AtomicFile.write(data, to: try fileToWrite(name))
  }

  /// Writes a text as UTF-8, as a whole, and notes it for the manifest.
  /// - Throws: `WriteError`.
  public func write(_ text: String, to name: String) throws { try write(Data(text.utf8), to: name) }

  /// Gives a file from elsewhere a name here.
  func link(_ path: String, as name: String) throws {
    try record?.note(name)
    try AtomicFile.link(path, to: file(name))
  }

  // MARK: The list of files

  /// Whether a name can be that of a file of results: of the folder or of one of `folders`, and not hidden.
  static func isName(_ name: String) -> Bool {
    let parts = name.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
    // A solver's name with an ending.
    return (1...2).contains(parts.count) && parts.allSatisfy { isFileName($0, longest: 120) }
      && (parts.count == 1 || folders.contains(parts[0]))
  }

  /// Removes the files of one of `folders` that runs of this program wrote, and that are not wanted; then the
  /// folder, if nothing is left in it. A file that was changed since then is somebody's own, and stays.
  func removeFiles(in folder: String, but isWanted: (String) -> Bool = { _ in false }) {
    let known = record?.names.withLock { $0.written.union($0.hashes.keys) } ?? []
    for name in known where name.hasPrefix(folder + "/") && !isWanted(name) { removeOwn(name) }
    if Team.current.isRoot, folder != "samples" { rmdir(file(folder)) }
  }

  /// Removes the figures of a name in other formats than these, if runs of this program wrote them and nobody changed
  /// them since.
  func removeFigures(_ name: String, but formats: [Figure.Format]) {
    for format in Figure.Format.allCases where !formats.contains(format) {
      removeOwn("\(name).\(format.rawValue)")
    }
  }

  private func removeOwn(_ name: String) {
    record?.names.withLock { known in
      guard known.written.contains(name) || known.hashes[name] != nil else { return }
      if known.written.contains(name) || SHA256.text(ofFile: file(name)) == known.hashes[name] { remove(name) }
      known.written.remove(name)
      known.hashes[name] = nil
    }
  }

  /// Writes the manifest, with a hash of every file that this program wrote, and ends the run's time in the folder.
  /// - Throws: `WriteError`; the next run then finds the list in `.lock`.
  func finish(_ manifest: Manifest) throws {
    guard let record else { return }
    try Team.with(OneRank.shared) { try finish(manifest, record) }
  }

  private func finish(_ manifest: Manifest, _ record: Record) throws {
    var manifest = manifest
    let (hashes, written) = record.names.withLock { ($0.hashes, $0.written) }
    var files: [String: String] = [:]
    // The hash that was written with a file still holds where the file was left as it was.
    for name in Set(hashes.keys).union(written) where exists(name) {
      files[name] = written.contains(name) ? SHA256.text(ofFile: file(name)) : hashes[name]
    }
    manifest.files = files
    try AtomicFile.write(try manifest.encoded(), to: file("manifest.json"))
    record.release()
  }
}

extension AtomicFile {
  /// Writes a file in one piece.
  /// - Throws: `WriteError`
  static func write(_ data: Data, to path: String) throws {
    try data.withUnsafeBytes { try write($0, to: path) }
  }

  static func write(_ text: String, to path: String) throws { try write(Data(text.utf8), to: path) }
}
