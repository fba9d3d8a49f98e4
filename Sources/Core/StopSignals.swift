// SPDX-License-Identifier: GPL-3.0-or-later
import Glibc
import Synchronization

/// SIGINT, SIGTERM and SIGHUP: what people and systems stop a program with.
///
/// No compute thread may take such a signal. The kernel writes a signal frame below the stack pointer of the thread
/// that takes it, and oneDNN's generated code keeps data there: the heap is corrupted afterwards. Therefore the signals
/// are blocked on every worker, and a program takes them on a thread that does nothing else.
///
/// The first signal asks for an orderly end. A `Listener` finishes its step and keeps what it has, as a training does.
/// Elsewhere within a `Scope`, as every command is, the computation ends with `ComputationError.stopped` before its
/// next evaluation or shard (`check`); where nothing checks for a second, the program ends. Outside of both the program
/// ends at once. A second signal always ends it at once. No end leaves temporary files behind (`AtomicFile`). The exit
/// code is 128 + the signal's number.
public enum StopSignals {
  private static let listeners = Atomic<Int>(0)
  private static let scopes = Atomic<Int>(0)
  /// The first signal's number; 0: none came.
  private static let first = Atomic<Int32>(0)
  /// Whether a computation has ended because of it, so that only its last words are left to be written.
  private static let isAnswered = Atomic<Bool>(false)
  private static let isWatching = Atomic<Bool>(false)
  /// How long nobody may answer.
  private static let patience = Duration.seconds(1)

  /// The signal that asked for an end; nil: none did.
  public static var received: Int32? {
    let number = first.load(ordering: .acquiring)
    return number == 0 ? nil : number
  }

  /// Ends a computation that nobody keeps, where a signal asked for an end. Costs one load from memory.
  /// - Throws: `ComputationError.stopped`
  @inline(__always) public static func check() throws {
    if first.load(ordering: .relaxed) != 0 { try end() }
  }

  @inline(never) private static func end() throws {
    guard let signal = received, scopes.load(ordering: .acquiring) > 0, listeners.load(ordering: .acquiring) == 0
    else { return }
    isAnswered.store(true, ordering: .releasing)
    throw ComputationError.stopped(signal: signal)
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
      &thread, nil, { StopSignals.serve($0!.assumingMemoryBound(to: sigset_t.self)) }, waited)
    if failure != 0 { pthread_sigmask(SIG_UNBLOCK, &signals, nil) }
  }

  private static func serve(_ signals: UnsafePointer<sigset_t>) -> Never {
    var deadline: ContinuousClock.Instant?
    while true {
      var wait = timespec(tv_sec: 0, tv_nsec: 50_000_000)
      let number = received == nil ? sigwaitinfo(signals, nil) : sigtimedwait(signals, nil, &wait)
      if number > 0 { take(number) }
      guard let signal = received, listeners.load(ordering: .acquiring) == 0, !isAnswered.load(ordering: .acquiring)
      else {
        deadline = nil
        continue
      }
      let now = ContinuousClock().now
      if let end = deadline, now >= end {
        StandardStreams.report("score-sde: \(ComputationError.stopped(signal: signal))\n")
        AtomicFile.endProgram(code: 128 + signal)
      }
      deadline = deadline ?? now + patience
    }
  }

  /// Asks for an end as a signal does. Does nothing where neither a listener nor a scope is.
  /// - Returns: whether there was one.
  @discardableResult
  public static func request(_ signal: Int32 = SIGINT) -> Bool {
    guard listeners.load(ordering: .acquiring) > 0 || scopes.load(ordering: .acquiring) > 0 else { return false }
    _ = first.compareExchange(expected: 0, desired: signal, ordering: .acquiringAndReleasing)
    return true
  }

  private static let other = Mutex<(@Sendable (Int32) -> Void)?>(nil)

  /// From now on a signal is somebody else's: it is handed on, and this program does not end by it.
  public static func leave(to other: @escaping @Sendable (Int32) -> Void) { Self.other.withLock { $0 = other } }

  private static func take(_ signal: Int32) {
    if let other = other.withLock({ $0 }) { return other(signal) }
    guard received == nil, request(signal) else { AtomicFile.endProgram(code: 128 + signal) }
  }

  /// What a signal's number is called.
  public static func name(of signal: Int32) -> String {
    [SIGINT: "SIGINT", SIGTERM: "SIGTERM", SIGHUP: "SIGHUP"][signal] ?? "signal \(signal)"
  }

  /// A command: what it computes ends at its next check when a signal asks for it.
  public final class Scope: Sendable {
    /// A request that came before is forgotten.
    public init() {
      if StopSignals.scopes.add(1, ordering: .acquiringAndReleasing).oldValue == 0 { StopSignals.forget() }
    }

    deinit { StopSignals.scopes.subtract(1, ordering: .acquiringAndReleasing) }
  }

  /// Somebody who ends in order when asked to, for as long as it lives.
  public final class Listener: Sendable {
    /// A request that came before is forgotten, but for one to the scope around.
    public init() {
      if StopSignals.scopes.load(ordering: .acquiring) == 0 { StopSignals.forget() }
      StopSignals.listeners.add(1, ordering: .acquiringAndReleasing)
    }

    deinit { StopSignals.listeners.subtract(1, ordering: .acquiringAndReleasing) }

    /// Whether an end was asked for.
    public var isAsked: Bool {
      guard StopSignals.received != nil else { return false }
      StopSignals.isAnswered.store(true, ordering: .releasing)
      return true
    }
  }

  private static func forget() {
    isAnswered.store(false, ordering: .releasing)
    first.store(0, ordering: .releasing)
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
