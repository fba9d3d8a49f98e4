// SPDX-License-Identifier: GPL-3.0-or-later
import Glibc
import Synchronization

/// SIGINT, SIGTERM and SIGHUP: what people and systems stop a program with.
///
/// No compute thread may take such a signal. The kernel writes a signal frame below the stack pointer of the thread
/// that takes it, and oneDNN's generated code keeps data there: the heap is corrupted afterwards. Therefore the signals
/// are blocked on every worker, and a program takes them on a thread that does nothing else.
///
/// The first signal asks for an orderly end where somebody listens (`Listener`), as a training does; elsewhere it ends
/// the program at once. The second always ends it at once, without the temporary files that are being written
/// (`AtomicFile`). The exit code is 128 + the signal's number.
public enum StopSignals {
  private static let listeners = Atomic<Int>(0)
  /// The first signal's number; 0: none came.
  private static let first = Atomic<Int32>(0)
  private static let isWatching = Atomic<Bool>(false)

  /// The signal that asked for an end; nil: none did.
  public static var received: Int32? {
    let number = first.load(ordering: .acquiring)
    return number == 0 ? nil : number
  }

  /// Blocks the signals on this thread, and so on all threads that it starts from now on, and takes them on a new one.
  /// A signal that the program was started to ignore (`nohup`, a job in the background) stays ignored.
  ///
  /// To be called once, as the first thing that a program does. A library's user who does not call it keeps the signals
  /// to themselves, and may hand one on by `request`.
  public static func watch() {
    guard !isWatching.exchange(true, ordering: .acquiringAndReleasing) else { return }
    var signals = stopSignals(where: { number in
      var action = sigaction()
      sigaction(number, nil, &action)
      return unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self) != 1
    })
    pthread_sigmask(SIG_BLOCK, &signals, nil)
    var thread = pthread_t()
    let waited = UnsafeMutablePointer<sigset_t>.allocate(capacity: 1)
    waited.initialize(to: signals)
    let failure = pthread_create(
      &thread, nil,
      { signals in
        while true {
          var number: Int32 = 0
          if sigwait(signals!.assumingMemoryBound(to: sigset_t.self), &number) == 0 { StopSignals.take(number) }
        }
      }, waited)
    if failure != 0 { pthread_sigmask(SIG_UNBLOCK, &signals, nil) }
  }

  /// Asks for an end as a signal does: stops after the step where somebody listens. Does nothing elsewhere.
  /// - Returns: whether somebody listened.
  @discardableResult
  public static func request(_ signal: Int32 = SIGINT) -> Bool {
    guard listeners.load(ordering: .acquiring) > 0 else { return false }
    _ = first.compareExchange(expected: 0, desired: signal, ordering: .acquiringAndReleasing)
    return true
  }

  private static func take(_ signal: Int32) {
    guard received == nil, request(signal) else { AtomicFile.endProgram(code: 128 + signal) }
  }

  /// Somebody who ends in order when asked to, for as long as it lives.
  public final class Listener: Sendable {
    /// A request that came before is forgotten.
    public init() {
      StopSignals.first.store(0, ordering: .releasing)
      StopSignals.listeners.add(1, ordering: .acquiringAndReleasing)
    }

    deinit { StopSignals.listeners.subtract(1, ordering: .acquiringAndReleasing) }

    /// Whether an end was asked for.
    public var isAsked: Bool { StopSignals.received != nil }
  }

  /// Runs `body` with the signals blocked on this thread, as they are already everywhere in a program that watches.
  static func blocked<Result>(_ body: () throws -> Result) rethrows -> Result {
    if isWatching.load(ordering: .relaxed) { return try body() }
    var (signals, before) = (stopSignals(where: { _ in true }), sigset_t())
    pthread_sigmask(SIG_BLOCK, &signals, &before)
    defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
    return try body()
  }

  private static func stopSignals(where isWanted: (Int32) -> Bool) -> sigset_t {
    var signals = sigset_t()
    sigemptyset(&signals)
    for number in [SIGINT, SIGTERM, SIGHUP] where isWanted(number) { sigaddset(&signals, number) }
    return signals
  }
}
