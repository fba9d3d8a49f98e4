// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// A process whose states may be wider than the data: a velocity beside a position, say.
public protocol AugmentedSDE: SDE {
  /// How many values a state has for data of `dimension` values.
  func stateDimension(of dimension: Int) -> Int

  /// Throws `InputError` for data that the process is not made for.
  func requireDimension(_ dimension: Int) throws

  /// Writes states at t = 0 that hold the data; what else is in them is drawn.
  func lift(_ data: Rows, into state: Rows, from stream: NoiseStream)

  /// Writes the log density of what `lift` drew for each state; `out` has `state.count` values.
  func auxiliaryLogDensity(_ state: Rows, into out: UnsafeMutablePointer<Double>)

  /// Writes the data of each state, its first values.
  func project(_ state: Rows, into data: Rows)
}

extension AugmentedSDE {
  /// Writes the data of each state, its first values.
  public func project(_ state: Rows, into data: Rows) {
    if state.dimension == data.dimension { return data.copy(state) }
    for row in 0..<state.count {
      for j in 0..<data.dimension { data[row, j] = state[row, j] }
    }
  }
}

/// For every process: one that is not augmented has the data as its states.
extension SDE {
  private var augmented: (any AugmentedSDE)? { self as? any AugmentedSDE }

  /// How many values a state has for data of `dimension` values.
  public func stateDimension(of dimension: Int) -> Int { augmented?.stateDimension(of: dimension) ?? dimension }

  /// Checks that the process takes data of so many values.
  /// - Throws: `InputError` where it does not.
  public func requireDimension(_ dimension: Int) throws { try augmented?.requireDimension(dimension) }

  /// Writes states at t = 0 that hold the data; what else is in them is drawn from `stream`.
  public func lift(_ data: Rows, into state: Rows, from stream: NoiseStream) {
    if let augmented { augmented.lift(data, into: state, from: stream) } else { state.copy(data) }
  }

  /// Writes the log density of what `lift` drew for each state, 0 where it drew nothing; `out` has `state.count`
  /// values.
  public func auxiliaryLogDensity(_ state: Rows, into out: UnsafeMutablePointer<Double>) {
    if let augmented { return augmented.auxiliaryLogDensity(state, into: out) }
    out.update(repeating: 0, count: state.count)
  }

  /// Writes the data of each state, its first values.
  public func project(_ state: Rows, into data: Rows) {
    if let augmented { augmented.project(state, into: data) } else { data.copy(state) }
  }
}
