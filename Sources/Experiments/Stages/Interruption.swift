// SPDX-License-Identifier: GPL-3.0-or-later
import Glibc
import Synchronization

/// Notices Ctrl-C while it lives; a second one ends the program as usual.
final class Interruption {
  private static let count = Atomic<Int>(0)
  private let previous: sighandler_t?

  init() {
    Self.count.store(0, ordering: .relaxed)
    previous = signal(SIGINT) { _ in
      Interruption.count.add(1, ordering: .relaxed)
      signal(SIGINT, SIG_DFL)
    }
    // A program in the background, told to ignore Ctrl-C, goes on ignoring it.
    if unsafeBitCast(previous, to: Int.self) == 1 { signal(SIGINT, SIG_IGN) }
  }

  deinit { signal(SIGINT, previous) }

  var happened: Bool { Self.count.load(ordering: .relaxed) > 0 }
}
