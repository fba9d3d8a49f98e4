// SPDX-License-Identifier: GPL-3.0-or-later

/// The name nearest to what was typed, if any is near.
public func nearest(to typed: String, among names: [String]) -> String? {
  func distance(_ a: [Character], _ b: [Character]) -> Int {
    var row = Array(0...b.count)
    for i in a.indices {
      var diagonal = row[0]
      row[0] = i + 1
      for j in b.indices {
        let cost = min(row[j] + 1, row[j + 1] + 1, diagonal + (a[i] == b[j] ? 0 : 1))
        diagonal = row[j + 1]
        row[j + 1] = cost
      }
    }
    return row[b.count]
  }
  let best = names.map { (name: $0, distance: distance(Array(typed.lowercased()), Array($0.lowercased()))) }
    .min { $0.distance < $1.distance }
  return best.flatMap { $0.distance <= max(2, typed.count / 2) ? $0.name : nil }
}
