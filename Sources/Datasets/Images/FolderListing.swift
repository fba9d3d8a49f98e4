// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Glibc

/// The images of a folder, as a person sees them in it: the files whose names end in `.png`, in capitals or not, of the
/// folder and of all folders in it, sorted by the bytes of their paths.
///
/// Links are followed. A folder that is reached twice, as by a link to one further up, is read once. Hidden files and
/// folders, `__MACOSX`, `Thumbs.db` and `desktop.ini` are nobody's images and are passed by; every other file that is
/// not read is counted in `notes`.
struct FolderListing {
  private(set) var images: [(name: String, path: String)] = []
  private(set) var notes: [String] = []
  private var skipped: [(path: String, reason: String)] = []
  private var twice: [String] = []
  private var visited: Set<FileIdentity> = []

  private struct FileIdentity: Hashable { let device, file: UInt }

  /// - Throws: `InputError` for a folder that cannot be read, and for a `.png` file that is none, as a link to nothing.
  init(_ folder: String) throws {
    try FileBytes.requireFolder(folder)
    var status = stat()
    guard stat(folder, &status) == 0 else { throw FileBytes.unreadable(folder) }
    visited.insert(FileIdentity(device: UInt(status.st_dev), file: UInt(status.st_ino)))
    try visit(folder, "")
    images.sort { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
    if let first = skipped.first { notes.append(note(folder, first)) }
    if let first = twice.first {
      notes.append(
        "\(folder): folders that are reached twice, by links, are read once: \(twice.count), the first at \(first)")
    }
  }

  private func note(_ folder: String, _ first: (path: String, reason: String)) -> String {
    let pngs = skipped.filter { $0.reason == "PNG" }
    let what = first.reason.isEmpty ? "" : " (\(first.reason))"
    var note =
      "\(folder): \(skipped.count == 1 ? "1 file is" : "\(skipped.count) files are") skipped, as only .png files are read; "
      + "the first is \(first.path)\(what); "
    if let png = pngs.first {
      note +=
        "PNG files by their content: \(pngs.count), the first \(png.path); name them .png to have them read"
    } else {
      note += "convert images to PNG to have them read"
    }
    return note
  }

  private mutating func visit(_ folder: String, _ prefix: String) throws {
    for name in try Self.names(in: folder, skipped: &skipped, prefix) {
      let path = folder.appendingFile(name)
      var status = stat()
      let exists = stat(path, &status) == 0
      let kind = status.st_mode & S_IFMT
      if exists && kind == S_IFDIR {
        if visited.insert(FileIdentity(device: UInt(status.st_dev), file: UInt(status.st_ino))).inserted {
          try visit(path, prefix + name + "/")
        } else {
          twice.append(prefix + name)
        }
      } else if name.lowercased().hasSuffix(".png") {
        guard exists else { throw InputError("is a link to nothing, or cannot be reached", at: path) }
        guard kind == S_IFREG else { throw InputError("is not a regular file", at: path) }
        images.append((prefix + name, path))
      } else {
        let reason =
          !exists ? "a link to nothing" : kind == S_IFREG ? FileSignature.name(ofFile: path) ?? "" : "no regular file"
        skipped.append((prefix + name, reason))
      }
    }
  }

  /// The names of what a person sees in a folder, sorted by their bytes.
  private static func names(
    in folder: String, skipped: inout [(path: String, reason: String)], _ prefix: String
  ) throws -> [String] {
    guard let stream = opendir(folder) else { throw FileBytes.unreadable(folder) }
    defer { closedir(stream) }
    var names: [String] = []
    errno = 0
    while let entry = readdir(stream) {
      let bytes = withUnsafeBytes(of: &entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
      guard let name = String(validating: bytes, as: UTF8.self) else {
        skipped.append((prefix + String(decoding: bytes, as: UTF8.self), "its name is not UTF-8"))
        continue
      }
      if !name.hasPrefix("."), !["__macosx", "thumbs.db", "desktop.ini"].contains(name.lowercased()) {
        names.append(name)
      }
      errno = 0
    }
    guard errno == 0 else { throw FileBytes.unreadable(folder) }
    return names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
  }
}

extension String {
  /// The path of a file in this folder.
  func appendingFile(_ name: String) -> String { hasSuffix("/") ? self + name : "\(self)/\(name)" }

  /// The part behind the last slash.
  var fileName: String { String(split(separator: "/").last ?? "") }
}
