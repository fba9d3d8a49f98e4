// SPDX-License-Identifier: GPL-3.0-or-later
import Glibc

/// Numbers in text: an optional sign, digits with at most one decimal mark, and an optional exponent. What else other
/// readers take for numbers (hexadecimal digits, `nan`, `inf`, `1_000`, `1,000`) is none here.
enum DecimalNumber {
  /// Numbers are shorter than this, in bytes.
  static let longest = 1000

  /// The nearest double, infinite above the largest.
  /// - Parameters:
  ///   - point: whether a point may be the decimal mark.
  ///   - comma: whether a comma may be the decimal mark.
  /// - Returns: NaN for what is no number; and the decimal mark, 0 where it has none.
  static func value(
    _ text: UnsafeBufferPointer<UInt8>, point: Bool, comma: Bool
  ) -> (value: Double, mark: UInt8) {
    guard let base = text.baseAddress, text.count > 0, text.count < longest else { return (.nan, 0) }
    let count = text.count
    let isNegative = base[0] == UInt8(ascii: "-")
    var i = isNegative || base[0] == UInt8(ascii: "+") ? 1 : 0
    // The number is mantissa · 10^exponent where all digits are in the mantissa.
    var (mantissa, exponent, significant, isWhole) = (UInt64(0), 0, 0, true)
    var mark: UInt8 = 0
    var hasDigits = false
    while i < count {
      let digit = base[i] &- 48
      if digit < 10 {
        hasDigits = true
        if significant < 19 {
          mantissa = mantissa &* 10 &+ UInt64(digit)
          if mantissa != 0 { significant += 1 }
          if mark != 0 { exponent -= 1 }
        } else {
          isWhole = false
        }
      } else if mark == 0, point && base[i] == UInt8(ascii: ".") || comma && base[i] == UInt8(ascii: ",") {
        mark = base[i]
      } else {
        break
      }
      i += 1
    }
    guard hasDigits else { return (.nan, 0) }
    if i < count, base[i] | 32 == UInt8(ascii: "e") {
      i += 1
      let isSmall = i < count && base[i] == UInt8(ascii: "-")
      if isSmall || i < count && base[i] == UInt8(ascii: "+") { i += 1 }
      guard i < count else { return (.nan, 0) }
      var power = 0
      while i < count, base[i] &- 48 < 10 {
        power = min(power * 10 + Int(base[i] &- 48), 100_000)
        i += 1
      }
      exponent += isSmall ? -power : power
    }
    guard i == count else { return (.nan, 0) }
    let size = isWhole ? exact(mantissa, exponent) ?? read(text, mark) : read(text, mark)
    return (isNegative ? -abs(size) : abs(size), mark)
  }

  /// mantissa · 10^exponent, rounded once; nil where that takes more than a division of 128 bits.
  private static func exact(_ mantissa: UInt64, _ exponent: Int) -> Double? {
    if mantissa == 0 { return 0 }
    // Both are doubles themselves, so that their product or quotient is rounded once.
    if mantissa <= 1 << 53, abs(exponent) <= 22 {
      return exponent < 0 ? Double(mantissa) / tens[-exponent] : Double(mantissa) * tens[exponent]
    }
    guard exponent < 0, exponent >= -27 else { return nil }
    // m/10^k = (m/5^k)/2^k. Of (m · 2^63)/5^k, with the leading bits of both at 2^63, the quotient has 63 bits or more;
    // a remainder only says to which side of the middle between two doubles the number lies.
    let divisor = fives[-exponent]
    let (shift, divisorShift) = (mantissa.leadingZeroBitCount, divisor.leadingZeroBitCount)
    let dividend = mantissa << shift
    let (quotient, remainder) = (divisor << divisorShift).dividingFullWidth((dividend >> 1, dividend << 63))
    let rounded = Double(quotient | (remainder == 0 ? 0 : 1))
    return scalbn(rounded, Int32(divisorShift - shift - 63 + exponent))
  }

  /// What the system reads.
  private static func read(_ text: UnsafeBufferPointer<UInt8>, _ mark: UInt8) -> Double {
    let points = text.map { $0 == UInt8(ascii: ",") && mark == $0 ? UInt8(ascii: ".") : $0 }
    return Double(String(decoding: points, as: UTF8.self)) ?? .nan
  }

  /// 10⁰ to 10²².
  private static let tens: [Double] = (0...22).map { k in (0..<k).reduce(1.0) { ten, _ in ten * 10 } }
  /// 5⁰ to 5²⁷.
  private static let fives: [UInt64] = (0...27).map { k in (0..<k).reduce(UInt64(1)) { five, _ in five * 5 } }
}
