// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import Plots
import Synchronization

/// Pictures of results, made small. They are kept for a page that is written again and again.
enum ReportPictures {
  private struct Entry: Sendable {
    let stamp: String
    let data: Data?
  }

  private static let kept = Mutex<[String: Entry]>([:])

  /// A PNG file's picture of at most so many pixels across; nil where it is none.
  static func small(_ path: String, width: Int) -> Data? {
    let attributes = try? FileManager.default.attributesOfItem(atPath: path)
    let stamp = "\(attributes?[.modificationDate] ?? "") \(attributes?[.size] ?? "")"
    if let entry = kept.withLock({ $0[path] }), entry.stamp == stamp { return entry.data }
    let data = FileManager.default.contents(atPath: path).flatMap { Raster.shrunk(png: $0, width: width) }
    kept.withLock { $0[path] = Entry(stamp: stamp, data: data) }
    return data
  }
}
