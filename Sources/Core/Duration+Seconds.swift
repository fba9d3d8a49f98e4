// SPDX-License-Identifier: GPL-3.0-or-later

extension Duration {
  /// The duration in seconds.
  public var seconds: Double { Double(components.seconds) + 1e-18 * Double(components.attoseconds) }
}
