// SPDX-License-Identifier: GPL-3.0-or-later

/// Something the user gave is wrong: a config, a data file, a checkpoint, a parameter. Nothing was done yet.
public struct InputError: Error, CustomStringConvertible, Sendable, Equatable {
  /// What was found and what is allowed, in one line.
  public let message: String
  /// Where, as `file:line: key` or a file's path; empty where a caller knows better.
  public var location: String

  public init(_ message: String, at location: String = "") {
    self.message = message
    self.location = location
  }

  /// One line, whatever was found.
  public var description: String { (location.isEmpty ? message : "\(location): \(message)").inOneLine }
}

/// A computation that began well and then went wrong.
public enum ComputationError: Error, CustomStringConvertible, Sendable, Equatable {
  /// A state that is not finite: in which row, after which step (from 1), at which time.
  case nonFiniteState(row: Int, step: Int, time: Double)
  /// A loss or gradient that is not finite, at which training step (from 1).
  case nonFiniteLoss(step: Int)
  /// An adaptive solver used up its steps before it arrived.
  case stepLimit(rows: Range<Int>, steps: Int, time: Double)
  /// Somebody stopped a training, which is kept and can go on.
  case interrupted(step: Int, of: Int)
  /// Somebody stopped a computation that nobody keeps, by a signal of this number.
  case stopped(signal: Int32)
  /// An adaptive solver found no next step that it could take.
  case stepSize(rows: Range<Int>, time: Double, reason: String)
  /// An integrator for ordinary differential equations gave up: GSL, with its own words.
  case integrator(rows: Range<Int>, time: Double, reason: String)

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
    case .nonFiniteState(let row, let step, let time):
      "state is not finite in row \(row) after step \(step), at t = \(time)"
    case .nonFiniteLoss(let step):
      "loss or gradient is not finite at training step \(step)"
    case .stepLimit(let rows, let steps, let time):
      "rows \(rows.lowerBound) to \(rows.upperBound - 1) used all \(steps) steps allowed and stand at t = \(time)"
    case .interrupted(let step, let steps):
      "stopped after step \(step) of \(steps); run it again to go on from there"
    case .stepSize(let rows, let time, let reason), .integrator(let rows, let time, let reason):
      "rows \(rows.lowerBound) to \(rows.upperBound - 1) stopped at t = \(time): \(reason)"
    }
  }
}
