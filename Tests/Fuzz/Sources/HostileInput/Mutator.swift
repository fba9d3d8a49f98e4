// SPDX-License-Identifier: GPL-3.0-or-later

/// Changes inputs so that most stay close to their format: bits and bytes, pieces that move, words of the format,
/// counts and numbers at their limits, and afterwards, mostly, the lengths and checksums that would give a change away.
public struct Mutator: RandomNumberGenerator {
  private var state: UInt64

  public init(seed: UInt64) { state = seed }

  /// SplitMix64 (Steele, Lea and Flood 2014).
  public mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  private static let numbers = [
    "0", "-1", "1", "2147483648", "4294967296", "9223372036854775807", "18446744073709551616", "1e999", "-0.0", "0.5",
    "1e-320", "99999999999999999999999", "00", "1_000", "0x7f",
  ]

  /// Some changes to an input.
  /// - Parameter others: inputs to take pieces of.
  public mutating func mutated(_ input: [UInt8], of format: HostileFormat, others: [[UInt8]] = []) -> [UInt8] {
    var bytes = input
    for _ in 0..<(1 << Int.random(in: 0...3, using: &self)) { change(&bytes, format, others) }
    if bytes.count > format.longest { bytes.removeLast(bytes.count - format.longest) }
    if Int.random(in: 0..<4, using: &self) > 0 { Self.repair(&bytes, format.name) }
    return bytes
  }

  private mutating func change(_ bytes: inout [UInt8], _ format: HostileFormat, _ others: [[UInt8]]) {
    func place(_ generator: inout Mutator) -> Int { Int.random(in: 0...bytes.count, using: &generator) }
    func piece(_ generator: inout Mutator, of bytes: [UInt8]) -> Range<Int> {
      let a = Int.random(in: 0...bytes.count, using: &generator)
      return a..<min(bytes.count, a + Int.random(in: 0...max(1, min(64, bytes.count)), using: &generator))
    }
    switch Int.random(in: 0..<12, using: &self) {
    case 0 where !bytes.isEmpty:
      bytes[Int.random(in: bytes.indices, using: &self)] ^= 1 << UInt8.random(in: 0...7, using: &self)
    case 1 where !bytes.isEmpty:
      bytes[Int.random(in: bytes.indices, using: &self)] =
        [0, 1, 9, 10, 32, 34, 44, 127, 128, 255, UInt8.random(in: 0...255, using: &self)].randomElement(using: &self)
        ?? 0
    case 2: bytes.removeSubrange(piece(&self, of: bytes))
    case 3: bytes.insert(contentsOf: bytes[piece(&self, of: bytes)], at: place(&self))
    case 4: bytes.removeLast(bytes.count - place(&self))
    case 5, 6:
      guard let word = format.words.randomElement(using: &self) else { return }
      let at = place(&self)
      let end = Bool.random(using: &self) ? at : min(bytes.count, at + word.utf8.count)
      bytes.replaceSubrange(at..<end, with: Array(word.utf8))
    case 7, 8: changeCount(&bytes)
    case 9: changeNumber(&bytes)
    case 10:
      guard let other = others.randomElement(using: &self) else { return }
      bytes.insert(contentsOf: other[piece(&self, of: other)], at: place(&self))
    default:
      guard let other = others.randomElement(using: &self) else { return }
      let at = place(&self)
      bytes.replaceSubrange(at..., with: other.dropFirst(at))
    }
  }

  /// A binary count of 2, 4 or 8 bytes, in either order.
  private mutating func changeCount(_ bytes: inout [UInt8]) {
    let width = [2, 4, 8].randomElement(using: &self) ?? 4
    guard bytes.count >= width else { return }
    // Counts stand mostly near the beginning.
    let last = Bool.random(using: &self) ? min(24, bytes.count - width) : bytes.count - width
    let at = Int.random(in: 0...last, using: &self)
    let size = UInt64(bytes.count)
    let value =
      [0, 1, .max, 1 << 31, 1 << 32, 1 << 63, size, size &- 1, size &+ 1, next() % 256].randomElement(using: &self) ?? 0
    let isLittle = Bool.random(using: &self)
    for k in 0..<width {
      bytes[at + k] = UInt8(truncatingIfNeeded: value >> UInt64(8 * (isLittle ? k : width - 1 - k)))
    }
  }

  /// A number in digits.
  private mutating func changeNumber(_ bytes: inout [UInt8]) {
    let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
    let starts = bytes.indices.filter { digits.contains(bytes[$0]) && ($0 == 0 || !digits.contains(bytes[$0 - 1])) }
    guard let start = starts.randomElement(using: &self), let number = Self.numbers.randomElement(using: &self) else {
      return
    }
    let end = bytes[start...].firstIndex { !digits.contains($0) } ?? bytes.count
    bytes.replaceSubrange(start..<end, with: Array(number.utf8))
  }

  /// Makes lengths and checksums right again.
  public static func repair(_ bytes: inout [UInt8], _ format: String) {
    switch format {
    case "png": repairChunks(&bytes)
    case "safetensors":
      // The header ends with the last brace.
      guard bytes.count > 8, let brace = bytes.lastIndex(of: UInt8(ascii: "}")), brace >= 8 else { return }
      let length = UInt64(brace - 7)
      for k in 0..<8 { bytes[k] = UInt8(truncatingIfNeeded: length >> UInt64(8 * k)) }
    default: return
    }
  }

  private static func repairChunks(_ bytes: inout [UInt8]) {
    var at = 8
    while at + 12 <= bytes.count {
      let length = bytes[at..<at + 4].reduce(0) { $0 << 8 | Int($1) }
      guard at + 12 + length <= bytes.count else { return }
      let sum = crc(bytes[at + 4..<at + 8 + length])
      for k in 0..<4 { bytes[at + 8 + length + k] = UInt8(truncatingIfNeeded: sum >> UInt32(24 - 8 * k)) }
      at += 12 + length
    }
  }

  private static func crc(_ bytes: ArraySlice<UInt8>) -> UInt32 {
    var sum = UInt32.max
    for byte in bytes {
      sum ^= UInt32(byte)
      for _ in 0..<8 { sum = sum & 1 == 1 ? sum >> 1 ^ 0xEDB8_8320 : sum >> 1 }
    }
    return ~sum
  }
}
