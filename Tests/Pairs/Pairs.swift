// SPDX-License-Identifier: GPL-3.0-or-later

/// The pairs of two collections of equal counts, for comparisons: `zip` would leave the rest of the longer one
/// unchecked, and all of it where the other one is empty.
public func pairs<A: Collection, B: Collection>(
  _ a: A, _ b: B, file: StaticString = #fileID, line: UInt = #line
) -> Zip2Sequence<A, B> {
  precondition(a.count == b.count, "\(a.count) values beside \(b.count)", file: file, line: line)
  return zip(a, b)
}
