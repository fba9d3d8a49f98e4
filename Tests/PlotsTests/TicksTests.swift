// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import Pairs
import Plots
import Testing

@Suite("Ticks") struct TicksTests {
  @Test(
    "ticks are round numbers within the limits",
    arguments: [
      (0.0, 1.0, 5, ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"], ""),
      (-2.3, 2.3, 5, ["−2", "−1", "0", "1", "2"], ""),
      (0, 10, 3, ["0", "5", "10"], ""),
      (0, 0.0004, 4, ["0", "1", "2", "3", "4"], "×10⁻⁴"),
      (0, 4_000_000, 4, ["0", "1", "2", "3", "4"], "×10⁶"),
      (1e9 - 0.1, 1e9 + 0.3, 4, ["0.0", "0.1", "0.2", "0.3", "0.4"], "+ 999999999.9"),
    ]) func linear(low: Double, high: Double, count: Int, labels: [String], unit: String)
  {
    let ticks = Ticks(Scale(.linear, low...high), count: count)
    #expect(ticks.labels == labels && ticks.unit == unit, "\(ticks)")
  }

  /// What is written reads back as the tick: to half of the last digit that tells two ticks apart.
  @Test("labels say their values") func labels() throws {
    var numbers = SystemRandomNumberGenerator()
    for _ in 0..<500 {
      let size = pow(10, Double.random(in: -12...12, using: &numbers))
      let low = Double.random(in: -3...3, using: &numbers) * size
      let scale = Scale(.linear, low...low + size * Double.random(in: 0.01...5, using: &numbers))
      let ticks = Ticks(scale, count: Int.random(in: 2...8, using: &numbers))
      try #require(ticks.values.count >= 2, "\(scale)")
      let step = ticks.values[1] - ticks.values[0]
      let parts = ticks.unit.components(separatedBy: "+ ").map { $0.trimmingCharacters(in: .whitespaces) }
      let factor = parts[0].isEmpty ? 1 : power(parts[0])
      let offset = parts.count > 1 ? try #require(number(parts[1])) : 0
      for (value, label) in pairs(ticks.values, ticks.labels) {
        #expect(value >= scale.low - 1e-6 * step && value <= scale.high + 1e-6 * step)
        let read = try #require(number(label)) * factor + offset
        #expect(abs(read - value) < 0.5 * step, "\(label) \(ticks.unit) for \(value)")
      }
      #expect(Set(ticks.labels).count == ticks.labels.count, "\(ticks)")
    }
  }

  private func number(_ text: String) -> Double? { Double(text.replacingOccurrences(of: "−", with: "-")) }

  private func power(_ text: String) -> Double {
    let digits = Array("⁰¹²³⁴⁵⁶⁷⁸⁹")
    let exponent = text.compactMap { digits.firstIndex(of: $0) }.reduce(0) { 10 * $0 + $1 }
    return pow(10, Double(text.contains("⁻") ? -exponent : exponent))
  }

  @Test(
    "logarithmic ticks are powers of ten, or their simplest multiples",
    arguments: [
      (1.0, 1000.0, 5, ["1", "10", "100", "1000"]), (20, 90, 5, ["20", "30", "50"]),
      (1e-12, 1e3, 4, ["10⁻¹²", "10⁻⁸", "10⁻⁴", "1"]), (0.9, 40, 5, ["1", "10"]),
      (1.05, 1.4, 3, ["1.2", "1.4"]),
    ]) func logarithmic(low: Double, high: Double, count: Int, labels: [String])
  {
    #expect(Ticks(Scale(.logarithmic, low...high), count: count).labels == labels)
  }

  @Test("ticks whose labels would touch are left out") func thinned() throws {
    let scale = Scale(.linear, 0...100)
    for length in [20.0, 50, 100, 400] {
      let ticks = Ticks(scale, length: length, spacing: 10, gap: 3) { Double($0.count) * 5 }
      let boxes = pairs(ticks.values, ticks.labels).map { value, label in
        let (middle, half) = (value / 100 * length, Double(label.count) * 2.5)
        return (low: middle - half, high: middle + half)
      }
      for (a, b) in zip(boxes, boxes.dropFirst()) { #expect(b.low >= a.high + 3 - 1e-9) }
      if length == 400 { #expect(ticks.values.count >= 10) }
    }
  }

  @Test("limits of one value, of none and of huge ones are widened or cut") func degenerate() {
    #expect(Scale(.linear, 3...3).low < 3 && Scale(.linear, 3...3).high > 3)
    #expect(Scale(.linear, -1e308...1e308).place(0) == 0.5)
    #expect(Scale(.logarithmic, 5...5).place(5) > 0)
    #expect(Scale.limits([.nan, .infinity]) == nil)
    #expect(Scale.limits([0, -1], .logarithmic) == nil)
    for limits in [1e308...1e308, -1e308...(-1e308), 0.0...5e-308, -1e308...1e308, 1e300...1e300, 0...0] {
      for kind in [Scale.Kind.linear, .logarithmic] {
        let scale = Scale(kind, limits)
        #expect(scale.low < scale.high && (scale.high - scale.low).isFinite)
        _ = Ticks(scale, count: 5)
      }
    }
  }
}
