// SPDX-License-Identifier: GPL-3.0-or-later

/// The folder that a path lies in, as it is written: `a/b` of `a/b/c`, and nothing of `c`.
///
/// `NSString.deletingLastPathComponent` of swift-corelibs-foundation (6.2) ends the program for a path of one character
/// without a slash, as `c` or `é`.
/// - Parameter path: a path, relative or absolute; slashes at its end count as none.
/// - Returns: the path without its last component; empty where it has no other, `/` of `/` and of `/a`.
public func parentFolder(of path: String) -> String {
  let slash = UInt8(ascii: "/")
  func trimmed(_ bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
    var bytes = bytes
    while bytes.count > 1, bytes.last == slash { bytes.removeLast() }
    return bytes
  }
  let bytes = trimmed(Array(path.utf8)[...])
  guard let place = bytes.lastIndex(of: slash) else { return "" }
  return String(decoding: trimmed(bytes[...place]), as: UTF8.self)
}
