// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation

/// The folder that a path lies in, as it is written: `a/b` of `a/b/c`, and nothing of `c`.
///
/// `NSString.deletingLastPathComponent` of swift-corelibs-foundation (6.2) ends the program for a path of one byte
/// without a slash, as `c`.
///
/// - Parameter path: a path, relative or absolute.
/// - Returns: the path without its last component; empty where it has no other.
public func parentFolder(of path: String) -> String {
  path.utf8.count == 1 && path != "/" ? "" : (path as NSString).deletingLastPathComponent
}
