// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// What a config says of the conditions of samples.
public struct ConditionPlan: Sendable {
  /// nil: in turn where the score knows classes.
  private let label: Int?

  /// Reads `sampling.class`.
  /// - Parameter shape: what the score can be told; nil where that is not known yet.
  init(_ options: Options, shape: ConditionShape?) throws {
    let label = try options.number(
      "class", or: "in-turn", in: .nonNegative,
      "of every sample, for a class-conditional network; or row i mod their number")
    if let label, let classes = shape?.classCount, !options.isDescribing {
      guard classes > 0 else { throw options.wrong("class", "is \(written(label)); the network knows no classes") }
      guard label == label.rounded(), label < Double(classes) else {
        throw options.wrong("class", "is \(written(label)); allowed: whole numbers below \(classes), or in-turn")
      }
    }
    self.label = label.map { Int($0) }
  }

  /// The conditions of samples, for a score that can be told so much.
  /// - Throws: `InputError` for a condition that the score does not know.
  func conditions(for source: ScoreSource) throws -> Conditions {
    guard let label else {
      if case .classes(let count) = source.conditionShape { return .inTurn(classes: count) }
      return .nothing
    }
    guard label < source.conditionShape.classCount else {
      throw InputError(
        "is \(label); the network knows \(source.conditionShape.classCount) classes", at: "sampling.class")
    }
    return .all(.label(label))
  }

  /// Whether it says the same of every row, and so also of rows that are given.
  var isConstant: Bool { label != nil }
}
