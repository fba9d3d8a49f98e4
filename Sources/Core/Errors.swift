// SPDX-License-Identifier: GPL-3.0-or-later

/// Something the user gave is wrong: a config, a data file, a checkpoint, a parameter. Nothing was done yet.
public struct InputError: Error, CustomStringConvertible, Sendable, Equatable {
  /// What was found and what is allowed, in one line.
  public let message: String
  /// Where, as `file:line: key` or a file's path; empty where a caller knows better.
  public var location: String

  /// An error with what was found and what is allowed, in one line, and where.
  public init(_ message: String, at location: String = "") {
    self.message = message
    self.location = location
  }

  /// One line, whatever was found.
  public var description: String { (location.isEmpty ? message : "\(location): \(message)").inOneLine }
}

/// A computation that began well and then went wrong.
public enum ComputationError: Error, CustomStringConvertible, Sendable, Equatable, Codable {
  /// A loss, gradient, state or score that is not finite.
  case nonFinite(NonFinite)
  /// An adaptive method used up its steps before it arrived.
  case stepLimit(rows: Range<Int>, steps: Int, time: Double, method: String)
  /// Somebody stopped a training, which is kept and can go on.
  case interrupted(step: Int, of: Int)
  /// Somebody stopped a computation that nobody keeps, by a signal of this number.
  case stopped(signal: Int32)
  /// An adaptive solver found no next step that it could take.
  case stepSize(rows: Range<Int>, time: Double, reason: String)
  /// An integrator for ordinary differential equations gave up: GSL, with its own words.
  case integrator(rows: Range<Int>, time: Double, method: String, reason: String)

  /// Whether somebody asked for the end: nothing is wrong, and nothing else is to be tried.
  public var isStop: Bool {
    switch self {
    case .interrupted, .stopped: true
    default: false
    }
  }

  public var description: String {
    switch self {
    case .stopped(let signal):
      "stopped by \(StopSignals.name(of: signal)); what was finished is kept; run it again for the rest"
    case .nonFinite(let found): found.description
    case .stepLimit(let rows, let steps, let time, let method):
      "\(Self.text(rows)) used all \(steps) steps that \(method) may take and stand at t = \(time): raise max_steps, or "
        + "loosen rtol and atol"
    case .interrupted(let step, let steps):
      "stopped after step \(step) of \(steps); run it again to go on from there"
    case .stepSize(let rows, let time, let reason):
      "\(Self.text(rows)) stopped at t = \(time): \(reason)"
    case .integrator(let rows, let time, let method, let reason):
      "\(Self.text(rows)): \(method) gave up at t = \(time) (GSL: \(reason)): loosen rtol and atol, or take "
        + (method == "rkf45" ? "rk8pd" : "rkf45")
    }
  }

  private static func text(_ rows: Range<Int>) -> String {
    rows.count == 1 ? "row \(rows.lowerBound)" : "rows \(rows.lowerBound) to \(rows.upperBound - 1)"
  }
}
