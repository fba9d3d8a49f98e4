// SPDX-License-Identifier: GPL-3.0-or-later

/// Which classes rows have.
public enum Classes {
  /// The classes that occur, in rising order; nil where all do.
  /// - Parameters:
  ///   - labels: the classes of the rows.
  ///   - count: how many classes there are: labels are below it.
  public static func occurring(in labels: [Int], of count: Int) -> [Int]? {
    var occurs = [Bool](repeating: false, count: count)
    for label in labels { occurs[label] = true }
    let classes = occurs.indices.filter { occurs[$0] }
    return classes.count == count ? nil : classes
  }
}
