// SPDX-License-Identifier: GPL-3.0-or-later

/// Which rows judge, where the data itself does not say.
enum HeldOut {
  /// Row i of `count` is held out when i mod 6 = 5; of fewer than 6 rows, the last.
  static func contains(_ index: Int, of count: Int) -> Bool {
    count < 6 ? index == count - 1 : index % 6 == 5
  }

  /// The rows that train and those that judge, in order.
  static func split(_ count: Int) -> (training: [Int], heldOut: [Int]) {
    ((0..<count).filter { !contains($0, of: count) }, (0..<count).filter { contains($0, of: count) })
  }
}
