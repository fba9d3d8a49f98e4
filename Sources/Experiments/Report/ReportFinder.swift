// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation

/// Finds results folders: those given, and those within them at any depth. Hidden folders, `samples`, pages of notebooks
/// and folders that were reached before (by a link) are passed by.
struct ReportFinder {
  /// The most folders of results that a page has; more are counted.
  static let most = 1000
  private static let deepest = 12

  private(set) var runs: [(path: String, name: String)] = []
  /// How many were left out.
  private(set) var leftOut = 0
  private var seen: Set<String> = []

  /// - Throws: `InputError` for a folder that is not there.
  init(_ folders: [String]) throws {
    for folder in folders {
      var isFolder: ObjCBool = false
      guard FileManager.default.fileExists(atPath: folder, isDirectory: &isFolder), isFolder.boolValue else {
        throw InputError("no such results folder; `run` or `train` makes it", at: folder)
      }
      let root = folder.count > 1 && folder.hasSuffix("/") ? String(folder.dropLast()) : folder
      let last = (root as NSString).lastPathComponent
      walk(root, name: folders.count > 1 || ReportRun.isResults(root) ? last : "", depth: 0)
    }
  }

  private mutating func walk(_ folder: String, name: String, depth: Int) {
    guard depth <= Self.deepest, seen.insert((folder as NSString).resolvingSymlinksInPath).inserted else { return }
    if ReportRun.isResults(folder) {
      if runs.count < Self.most { runs.append((folder, name)) } else { leftOut += 1 }
    }
    let entries = ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).sorted()
    for entry in entries where !entry.hasPrefix(".") && entry != "samples" && entry != "Notebooks" {
      var isFolder: ObjCBool = false
      let path = "\(folder)/\(entry)"
      if FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), isFolder.boolValue {
        walk(path, name: name.isEmpty ? entry : "\(name)/\(entry)", depth: depth + 1)
      }
    }
  }
}
