// SPDX-License-Identifier: GPL-3.0-or-later

/// Someone who wants to know how far a long computation is. Called from any worker.
public protocol ProgressObserver: Sendable {
  /// Tells that so many more units of the work are done.
  func advance(by units: Int)
}
