// SPDX-License-Identifier: GPL-3.0-or-later

/// How a network reads texts: as a row of whole numbers, the same count for every text.
public protocol TextInput: Sendable {
  /// How many numbers a text becomes.
  var length: Int { get }
  /// How many different numbers there are: each is from 0 to below this.
  var tokenCount: Int { get }
  /// The numbers of a text, `length` of them.
  func ids(of text: String) -> [Int]
  /// What a person should know about how a text was read: that its end was cut off. nil: nothing.
  func note(on text: String) -> String?
}
