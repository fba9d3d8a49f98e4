// SPDX-License-Identifier: GPL-3.0-or-later
import Synchronization

/// Whether a program gets on: a number that grows with every shard that is done. Who is waited for and stands still is
/// taken for hung by others; so what waits for somebody outside, or computes for many minutes in one piece, beats, too.
public enum Pulse {
  private static let beats = Atomic<UInt64>(0)

  /// How often it has beaten.
  public static var count: UInt64 { beats.load(ordering: .relaxed) }

  /// Tells that this program gets on. Costs one addition in memory.
  public static func beat() { beats.add(1, ordering: .relaxed) }
}
