// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// Byte-level byte-pair encoding (Sennrich et al. 2016; Radford et al. 2019): a piece of text is its bytes, each a
/// token, the last one marked with `</w>` as the end; then the neighbouring pair of lowest rank becomes one token, the
/// leftmost of equal ones first, until no pair has a rank.
public struct BytePairEncoding: Sendable {
  /// What the last token of a piece ends with.
  public static let suffix = "</w>"

  /// Every token's number.
  public let vocabulary: [String: Int]
  /// Pairs of tokens in the order of their ranks.
  public let merges: [(first: String, second: String)]
  /// One more than the largest number.
  public let tokenCount: Int
  /// What stands for a byte that has no token; nil: it is left out.
  public let unknownText: String?
  /// The token of a byte inside a piece and at its end; -1: none.
  private let inner, final: [Int32]
  private let unknown: Int32?
  private let table: [UInt64: Merge]

  private struct Merge {
    let rank, token: Int32
  }

  /// - Parameters:
  ///   - vocabulary: every token's number, from 0.
  ///   - merges: pairs of tokens, the first merged first.
  ///   - unknown: the token that stands for bytes without one.
  /// - Throws: `InputError` for a merge of what is not in the vocabulary, and for numbers that are none or far away.
  public init(
    vocabulary: [String: Int], merges: [(first: String, second: String)], unknown: String? = nil
  ) throws {
    guard let largest = vocabulary.values.max() else { throw InputError("a vocabulary without tokens") }
    guard let least = vocabulary.values.min(), least >= 0, largest < 1 << 24 else {
      throw InputError("tokens are numbered \(vocabulary.values.min() ?? 0) to \(largest); allowed: 0 to 16777215")
    }
    (self.vocabulary, self.merges, tokenCount) = (vocabulary, merges, largest + 1)
    func token(_ text: String) -> Int32 { vocabulary[text].map { Int32($0) } ?? -1 }
    inner = ByteLetters.letters.map { token(String($0)) }
    final = ByteLetters.letters.map { token(String($0) + Self.suffix) }
    unknownText = unknown
    self.unknown = unknown.flatMap { vocabulary[$0] }.map { Int32($0) }
    var table: [UInt64: Merge] = [:]
    table.reserveCapacity(merges.count)
    for (rank, merge) in merges.enumerated() {
      func known(_ text: String) throws -> Int32 {
        guard let id = vocabulary[text] else {
          throw InputError(
            "merge \(rank + 1), '\(merge.first) \(merge.second)', is about '\(text)', which is no token of the vocabulary"
          )
        }
        return Int32(id)
      }
      let key = Self.key(try known(merge.first), try known(merge.second))
      // Where a pair is there twice, the later one counts, as in the reference.
      table[key] = Merge(rank: Int32(rank), token: try known(merge.first + merge.second))
    }
    self.table = table
  }

  private static func key(_ a: Int32, _ b: Int32) -> UInt64 { UInt64(UInt32(bitPattern: a)) << 32 | UInt64(b) }

  /// Appends the tokens of a piece.
  /// - Parameters:
  ///   - piece: its bytes, in UTF-8.
  ///   - ids: receives the tokens.
  func encode(_ piece: [UInt8], into ids: inout [Int]) {
    var tokens: [Int32] = []
    tokens.reserveCapacity(piece.count)
    for (place, byte) in piece.enumerated() {
      let token = place == piece.count - 1 ? final[Int(byte)] : inner[Int(byte)]
      if token >= 0 { tokens.append(token) } else if let unknown { tokens.append(unknown) }
    }
    merge(&tokens)
    for token in tokens where token >= 0 { ids.append(Int(token)) }
  }

  /// Merges pairs; a token that was merged into the one before is -1 afterwards. Every pair waits in a heap by rank and
  /// place, so that a piece of n bytes takes n log n steps.
  private func merge(_ tokens: inout [Int32]) {
    let count = tokens.count
    guard count > 1 else { return }
    var next = (0..<count).map { Int32($0 + 1) }
    var previous = (0..<count).map { Int32($0 - 1) }
    var waiting = Heap()
    func pair(_ place: Int) -> Merge? {
      let other = Int(next[place])
      return other < count ? table[Self.key(tokens[place], tokens[other])] : nil
    }
    func wait(_ place: Int) {
      if let merge = pair(place) { waiting.push(UInt64(merge.rank) << 32 | UInt64(place)) }
    }
    for place in 0..<count - 1 { wait(place) }
    while let key = waiting.pop() {
      let place = Int(key & 0xffff_ffff)
      // What waited may have been merged with a neighbour since.
      guard tokens[place] >= 0, let merge = pair(place), UInt64(merge.rank) == key >> 32 else { continue }
      let gone = Int(next[place])
      tokens[place] = merge.token
      tokens[gone] = -1
      next[place] = next[gone]
      if Int(next[gone]) < count { previous[Int(next[gone])] = Int32(place) }
      if previous[place] >= 0 { wait(Int(previous[place])) }
      wait(place)
    }
  }
}

/// The smallest of numbers that wait.
private struct Heap {
  private var keys: [UInt64] = []

  mutating func push(_ key: UInt64) {
    keys.append(key)
    var child = keys.count - 1
    while child > 0, keys[(child - 1) / 2] > keys[child] {
      keys.swapAt(child, (child - 1) / 2)
      child = (child - 1) / 2
    }
  }

  mutating func pop() -> UInt64? {
    guard let least = keys.first, let last = keys.popLast() else { return nil }
    if keys.isEmpty { return least }
    keys[0] = last
    var parent = 0
    while true {
      var child = 2 * parent + 1
      guard child < keys.count else { return least }
      if child + 1 < keys.count && keys[child + 1] < keys[child] { child += 1 }
      guard keys[child] < keys[parent] else { return least }
      keys.swapAt(child, parent)
      parent = child
    }
  }
}

/// GPT-2's letters for bytes: printable characters of Latin-1 stand for themselves, the others for those from U+0100
/// on.
public enum ByteLetters {
  /// The letter of each byte.
  public static let letters: [Character] = {
    var letters: [Character] = []
    var next: UInt32 = 256
    for byte in UInt32(0)..<256 {
      let isPrintable = (33...126).contains(byte) || (161...172).contains(byte) || (174...255).contains(byte)
      let code = isPrintable ? byte : next
      if !isPrintable { next += 1 }
      letters.append(Character(Unicode.Scalar(code) ?? " "))
    }
    return letters
  }()

  /// The bytes in the order in which CLIP's vocabulary numbers them: printable ones first.
  public static let order: [Int] = {
    func isFirst(_ byte: Int) -> Bool { letters[byte].unicodeScalars.first.map { Int($0.value) == byte } ?? false }
    return (0..<256).filter(isFirst) + (0..<256).filter { !isFirst($0) }
  }()
}
