// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation

/// The ticks of an axis: round numbers, and what is written at them.
public struct Ticks: Sendable, Equatable {
  /// Where the ticks are, rising.
  public var values: [Double] = []
  /// What is written at each.
  public var labels: [String] = []
  /// Small ticks without labels.
  public var minor: [Double] = []
  /// What the labels are to be multiplied by or added to, for the axis's label: `×10⁶`.
  public var unit = ""

  /// About `count` ticks.
  /// - Parameters:
  ///   - scale: the axis.
  ///   - count: how many are wanted; there may be fewer.
  public init(_ scale: Scale, count: Int) {
    switch scale.kind {
    case .linear: linear(scale, count)
    case .logarithmic: logarithmic(scale, count)
    }
  }

  /// As many ticks as fit: the most at which no two labels touch.
  /// - Parameters:
  ///   - scale: the axis.
  ///   - length: how long it is.
  ///   - spacing: how far apart the ticks are at least.
  ///   - gap: how far apart the labels are at least.
  ///   - extent: how long a label is along the axis.
  public init(_ scale: Scale, length: Double, spacing: Double, gap: Double, extent: (String) -> Double) {
    var best = Ticks(scale, count: 2)
    func box(_ index: Int) -> (start: Double, end: Double) {
      let (middle, half) = (scale.place(best.values[index]) * length, extent(best.labels[index]) / 2)
      return (middle - half, middle + half)
    }
    for count in stride(from: max(3, Int(length / spacing)), through: 2, by: -1) {
      best = Ticks(scale, count: count)
      let boxes = best.values.indices.map(box)
      if zip(boxes, boxes.dropFirst()).allSatisfy({ $1.start >= $0.end + gap }) {
        self = best
        return
      }
    }
    // Too long a label for two: those that touch one before are left out.
    var end = -Double.infinity
    let kept = best.values.indices.filter { index in
      let (start, stop) = box(index)
      if end > -.infinity && start < end + gap { return false }
      end = stop
      return true
    }
    (best.values, best.labels) = (kept.map { best.values[$0] }, kept.map { best.labels[$0] })
    self = best
  }

  // MARK: Linear

  /// The smallest of 1, 2, 5 times a power of ten that is `width` or more.
  static func roundStep(_ width: Double) -> Double {
    let power = pow(10, floor(log10(width)))
    for factor in [1.0, 2, 5] where factor * power >= width * (1 - 1e-9) { return factor * power }
    return 10 * power
  }

  private mutating func linear(_ scale: Scale, _ count: Int) {
    // Two ticks at least, however long the labels.
    var (step, first, last) = (0.0, 0.0, -1.0)
    for more in 0..<20 where last - first < 1 {
      step = Self.roundStep((scale.high - scale.low) / Double(max(1, count) + more))
      guard step.isFinite, step > 0 else { return }
      // Doubles of this size are this far apart.
      let slack = max(1e-9, 1e-15 * max(abs(scale.low), abs(scale.high)) / step)
      first = (scale.low / step - slack).rounded(.up)
      last = (scale.high / step + slack).rounded(.down)
    }
    guard last >= first, last - first < 200 else { return }
    let numbers = (0...Int(last - first)).map { first + Double($0) }
    values = numbers.map { $0 * step }
    // Far from zero: what is added to the first one.
    let largest = max(abs(first), abs(last))
    let offset = largest >= 1e5 ? first : 0
    let steps = numbers.map { $0 - offset }
    let size = (steps.map { abs($0) }.max() ?? 0) * step
    // Neither many zeros nor many digits.
    let exponent = size > 0 ? Int(floor(log10(size) + 1e-9)) : 0
    let isScaled = size > 0 && !(-3...4).contains(exponent)
    let digit = Int(floor(log10(step) + 1e-9))
    let decimals = max(0, (isScaled ? exponent : 0) - digit)
    labels = steps.map {
      let value = $0 * step / (isScaled ? pow(10, Double(exponent)) : 1)
      return Self.minus(String(format: "%.\(min(decimals, 12))f", value == 0 ? 0 : value))
    }
    if isScaled { unit = "×\(Self.power(exponent))" }
    if offset != 0 { unit += (unit.isEmpty ? "+ " : " + ") + "\(Self.minus(String(format: "%.12g", offset * step)))" }
  }

  // MARK: Logarithmic

  private mutating func logarithmic(_ scale: Scale, _ count: Int) {
    func isInside(_ value: Double) -> Bool { value >= scale.low * (1 - 1e-9) && value <= scale.high * (1 + 1e-9) }
    let exponents = Int(floor(log10(scale.low) + 1e-9))...Int(floor(log10(scale.high) + 1e-9))
    let decades = exponents.filter { isInside(pow(10, Double($0))) }
    if decades.count >= 2 {
      let every = max(1, (decades.count + count - 1) / max(1, count))
      values = decades.filter { $0 % every == 0 || decades.count <= every }.map { pow(10, Double($0)) }
      minor =
        every > 1
        ? decades.map { pow(10, Double($0)) }
        : exponents.flatMap { e in (2...9).map { Double($0) * pow(10, Double(e)) } }.filter(isInside)
      labels = values.map(Self.text)
      return
    }
    let all = exponents.flatMap { e in (1...9).map { Double($0) * pow(10, Double(e)) } }.filter(isInside)
    for leading in [[1.0, 2, 3, 5], [1, 2, 5], [1, 3], [1]] {
      values = all.filter { value in
        let digit = (value / pow(10, floor(log10(value) + 1e-9))).rounded()
        return leading.contains(digit)
      }
      if values.count <= max(2, count) { break }
    }
    minor = all
    labels = values.map(Self.text)
    if values.count < 2 {
      linear(scale, count)
      minor = []
    }
  }

  // MARK: Texts

  /// A number of few digits.
  static func text(_ value: Double) -> String {
    let exponent = Int(floor(log10(abs(value)) + 1e-9))
    if (-3...4).contains(exponent) { return minus(String(format: "%.6g", value)) }
    let leading = (value / pow(10, Double(exponent)) * 1000).rounded() / 1000
    return leading == 1 ? power(exponent) : minus(String(format: "%g", leading)) + "×" + power(exponent)
  }

  static func power(_ exponent: Int) -> String {
    let digits = Array("⁰¹²³⁴⁵⁶⁷⁸⁹")
    return "10" + (exponent < 0 ? "⁻" : "")
      + String(String(abs(exponent)).compactMap { $0.wholeNumberValue.map { digits[$0] } })
  }

  /// With the sign that is as wide as a plus.
  private static func minus(_ text: String) -> String { text.replacingOccurrences(of: "-", with: "−") }
}
