// SPDX-License-Identifier: GPL-3.0-or-later

/// The class of every row, in 0..<classes.
public struct RowLabels: Sendable, Equatable {
  public let classes: Int
  /// Of the items of `Dataset.source`, which are the rows of `Dataset.training` in the same order.
  public let training: [Int]
  /// Of the rows of `Dataset.heldOut`.
  public let heldOut: [Int]

  public init(classes: Int, training: [Int], heldOut: [Int]) {
    precondition((training + heldOut).allSatisfy { $0 >= 0 && $0 < classes }, "a label outside the classes")
    self.classes = classes
    self.training = training
    self.heldOut = heldOut
  }
}
