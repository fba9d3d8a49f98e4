// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Processes

/// The map X_{t→s} of a probability flow from one time to another, as a network that was trained for it has it: a
/// sample in one evaluation (consistency functions, Song et al. 2023; flow maps, Boffi et al. 2024).
public protocol FlowMap: Sendable {
  /// Between which times it maps.
  var range: FlowMapRange { get }
  /// An evaluator with its own memory for the given rows, owned by one worker.
  func makeEvaluator(for rows: RowSpan) throws -> any FlowMapEvaluator
}

/// A flow map with the memory that it works in, owned by one worker.
public protocol FlowMapEvaluator: AnyObject {
  /// Writes X_{t→s}(x) of every row. It takes one evaluation of a network.
  /// - Parameters:
  ///   - x: the states at t, rows × dimension; some of the rows that the evaluator was made for.
  ///   - t: their time.
  ///   - s: the time to carry them to: at most t, but for a map that goes forward.
  ///   - y: the states at s; of the shape of x, which it does not overlap.
  func map(_ x: Rows, from t: Double, to s: Double, into y: Rows) throws

  /// Writes X_{t→s}(x) and ln |det ∂X_{t→s}/∂x| of every row.
  /// - Parameters:
  ///   - x: the states at t, rows × dimension; some of the rows that the evaluator was made for.
  ///   - t: their time.
  ///   - s: the time to carry them to.
  ///   - y: the states at s; of the shape of x, which it does not overlap.
  ///   - method: how the determinant is found.
  ///   - logDeterminants: `x.count` values.
  /// - Throws: `InputError` where the map has none.
  func map(
    _ x: Rows, from t: Double, to s: Double, into y: Rows, _ method: LogDeterminant,
    logDeterminants: UnsafeMutablePointer<Double>
  ) throws
}

extension FlowMapEvaluator {
  public func map(
    _ x: Rows, from t: Double, to s: Double, into y: Rows, _ method: LogDeterminant,
    logDeterminants: UnsafeMutablePointer<Double>
  ) throws {
    throw InputError("this map knows no determinant")
  }
}

/// How the log determinant of a flow map is found.
public enum LogDeterminant: String, Sendable, CaseIterable {
  /// From the Jacobian of the map, of which each row is a product: D of them beside the evaluation.
  case jacobian
  /// By the network's own output for it, in the same evaluation (F2D2, Ai et al. 2025, arXiv 2512.02636).
  case divergence

  /// Evaluations and Jacobian products of a row.
  public func cost(dimension: Int) -> Int { self == .jacobian ? 1 + dimension : 1 }
}

/// Between which times a flow map maps, and what else it is.
public struct FlowMapRange: Sendable, Equatable {
  /// The smallest time that it maps to.
  public let end: Double
  /// Whether it maps to every later time, too; else to `end` alone, as a consistency function does.
  public let reachesAnyTime: Bool
  /// Whether its network is a score as well.
  public let isScore: Bool
  /// Whether it maps from small times to large ones as well, as log densities want it.
  public let goesForward: Bool
  /// Whether its network has an output for the log determinant.
  public let hasDivergence: Bool
  /// The times that it maps from; nil: any time.
  public let starts: Starts?

  /// The times that it maps from.
  public enum Starts: Sendable, Equatable {
    /// The beginnings of N steps from T to ε, spaced so.
    case steps(Int, TimeSpacing)
    /// These, falling from T.
    case times([Double])

    /// How many.
    public var count: Int {
      switch self {
      case .steps(let count, _): count
      case .times(let times): times.count
      }
    }
  }

  /// - Parameters:
  ///   - end: the smallest time that it maps to.
  ///   - reachesAnyTime: whether it maps to every later time, too.
  ///   - isScore: whether its network is a score as well.
  ///   - goesForward: whether it maps from small times to large ones as well.
  ///   - hasDivergence: whether its network has an output for the log determinant.
  ///   - starts: the times that it maps from; nil: any time.
  public init(
    end: Double, reachesAnyTime: Bool, isScore: Bool, goesForward: Bool = false, hasDivergence: Bool = false,
    starts: Starts? = nil
  ) {
    self.starts = starts
    (self.end, self.reachesAnyTime, self.isScore) = (end, reachesAnyTime, isScore)
    (self.goesForward, self.hasDivergence) = (goesForward, hasDivergence)
  }

  /// Whether it maps to a time, which a config may have as a rounded number.
  public func reaches(_ s: Double) -> Bool {
    abs(s - end) <= 1e-9 * end || reachesAnyTime && s > end
  }
}
