// SPDX-License-Identifier: GPL-3.0-or-later
import Core

extension Purpose {
  /// The noise of observations that are drawn.
  public static let observation = Purpose(rawValue: 60)
  /// Which values a drawn mask shows.
  public static let mask = Purpose(rawValue: 61)
  /// The noise that is added to images to be edited.
  public static let edit = Purpose(rawValue: 62)
}
