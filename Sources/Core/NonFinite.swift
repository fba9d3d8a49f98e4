// SPDX-License-Identifier: GPL-3.0-or-later

/// A number that is not finite: what it is, where it arose, and what is likely to mend it. What is not known is nil.
public struct NonFinite: Sendable, Equatable, Codable, CustomStringConvertible {
  /// What can fail to be finite.
  public enum Quantity: String, Sendable, Codable {
    /// The loss of a training step.
    case loss
    /// The gradient of a training step.
    case gradient
    /// The state of a solver.
    case state
    /// What a score gave at a finite state.
    case score
  }

  /// What is not finite.
  public var quantity: Quantity
  /// The row of the batch, from 0.
  public var row: Int?
  /// From 1: of a solver, or of a training.
  public var step: Int?
  /// The process's time t at which it arose.
  public var time: Double?
  /// σ/m at that time.
  public var noiseToSignal: Double?
  /// The layer, parameter or method in which it arose; empty where that is not known.
  public var place: String
  /// What is likely to mend it.
  public var remedy: String

  /// - Parameters:
  ///   - quantity: what is not finite.
  ///   - row: the row of the batch, from 0.
  ///   - step: of a solver, or of a training, from 1.
  ///   - time: t
  ///   - noiseToSignal: σ/m at that time.
  ///   - place: the layer, parameter or method in which it arose.
  ///   - remedy: what is likely to mend it.
  public init(
    _ quantity: Quantity, row: Int? = nil, step: Int? = nil, time: Double? = nil, noiseToSignal: Double? = nil,
    place: String = "", remedy: String = ""
  ) {
    (self.quantity, self.row, self.step, self.time) = (quantity, row, step, time)
    (self.noiseToSignal, self.place, self.remedy) = (noiseToSignal, place, remedy)
  }

  /// The row, step and time of a state that is not finite.
  public static func state(row: Int, step: Int, time: Double) -> NonFinite {
    NonFinite(.state, row: row, step: step, time: time)
  }

  public var description: String {
    var text = "the \(quantity.rawValue) is not finite"
    if let row { text += " in row \(row)" }
    if let step, step > 0 { text += " at step \(step)" }
    if let time {
      text += ", t = \(time)"
      if let noiseToSignal { text += " (σ/m = \(Self.short(noiseToSignal)))" }
    }
    if !place.isEmpty { text += ", in \(place)" }
    return remedy.isEmpty ? text : "\(text): \(remedy)"
  }

  /// Four digits.
  private static func short(_ value: Double) -> String {
    guard value.isFinite, value != 0 else { return "\(value)" }
    var (scale, magnitude) = (1.0, abs(value))
    while magnitude < 1000 { (magnitude, scale) = (magnitude * 10, scale * 10) }
    while magnitude >= 10_000 { (magnitude, scale) = (magnitude / 10, scale / 10) }
    return "\((value * scale).rounded() / scale)"
  }
}
