// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation

/// A folder of results. Every file is there as a whole or not at all (`AtomicFile`).
public struct ResultsFolder: Sendable {
  public let path: String

  /// Makes the folder where it is missing.
  public init(creating path: String) throws {
    self.path = path
    try Self.create(path)
    try Self.create(path + "/samples")
  }

  /// An existing folder.
  public init(existing path: String) throws {
    self.path = path
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), isFolder.boolValue else {
      throw InputError("no such results folder; `run` or `train` makes it", at: path)
    }
  }

  private static func create(_ path: String) throws {
    do {
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    } catch {
      throw InputError("this folder cannot be made", at: path)
    }
  }

  public func file(_ name: String) -> String { "\(path)/\(name)" }

  public func exists(_ name: String) -> Bool { FileManager.default.fileExists(atPath: file(name)) }

  /// A file's text; nil where there is none.
  public func text(_ name: String) -> String? {
    FileManager.default.contents(atPath: file(name)).flatMap { String(data: $0, encoding: .utf8) }
  }

  public func remove(_ name: String) { try? FileManager.default.removeItem(atPath: file(name)) }

  public func write(_ data: Data, to name: String) throws { try AtomicFile.write(data, to: file(name)) }

  public func write(_ text: String, to name: String) throws { try write(Data(text.utf8), to: name) }
}

extension AtomicFile {
  /// Writes a file in one piece.
  /// - Throws: `WriteError`
  static func write(_ data: Data, to path: String) throws {
    try data.withUnsafeBytes { try write($0, to: path) }
  }

  static func write(_ text: String, to path: String) throws { try write(Data(text.utf8), to: path) }
}
