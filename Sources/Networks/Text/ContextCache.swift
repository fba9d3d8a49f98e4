// SPDX-License-Identifier: GPL-3.0-or-later
import Synchronization

/// What a text encoder made of texts, kept for the next time and shared by workers. It never changes what comes out:
/// every text is encoded by itself.
public final class ContextCache: Sendable {
  private struct State {
    var known: [[Int]: [Float]] = [:]
    var floats = 0
  }

  /// How many floats are kept, 256 MB; then all are forgotten, and those that somebody uses stay with them.
  private static let mostFloats = 1 << 26

  private let state = Mutex(State())

  /// Nothing is known yet.
  public init() {}

  /// What is known of a text, or what `make` makes of it; one text at a time.
  /// - Parameters:
  ///   - ids: the text's tokens.
  ///   - make: the encoder.
  public func context(of ids: [Int], _ make: ([Int]) -> [Float]) -> [Float] {
    state.withLock { state in
      if let known = state.known[ids] { return known }
      let made = make(ids)
      if state.floats + made.count > Self.mostFloats { state = State() }
      state.known[ids] = made
      state.floats += made.count
      return made
    }
  }
}
