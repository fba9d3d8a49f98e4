// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// CLIP's tokenizer: texts as numbers between a start and an end, cut and padded to one length. It gives the numbers
/// that transformers' CLIPTokenizer gives.
public struct CLIPTokenizer: TextInput {
  /// A token that is found as it stands in a text.
  public struct Added: Sendable, Equatable {
    /// What is found.
    public let text: String
    /// Its number.
    public let id: Int
    /// Whether it is looked for in the normalised text, so that `<|ENDOFTEXT|>` is one too.
    public let isNormalised: Bool

    /// A token of a text, its number, and whether the text is normalised first.
    public init(_ text: String, id: Int, isNormalised: Bool = false) {
      (self.text, self.id, self.isNormalised) = (text, id, isNormalised)
    }

    fileprivate var codes: [UInt32] {
      let codes = text.unicodeScalars.map(\.value)
      return isNormalised ? TextNormaliser.normalise(codes) : codes
    }
  }

  /// The customary length, CLIP's.
  public static let customaryLength = 77
  /// The names of start and end in CLIP's vocabulary.
  public static let (startText, endText) = ("<|startoftext|>", "<|endoftext|>")

  /// Byte pairs.
  public let encoding: BytePairEncoding
  /// The numbers of the start, of the end and of what fills the rest.
  public let start, end, padding: Int
  /// Tokens that are found as they stand, the start and the end among them.
  public let added: [Added]
  public let length: Int
  /// What is looked for in the text as it is given, and after it was normalised.
  private let raw, normalised: [(codes: [UInt32], id: Int)]

  public var tokenCount: Int { max(encoding.tokenCount, (added.map(\.id).max() ?? 0) + 1) }

  /// - Parameters:
  ///   - encoding: byte pairs.
  ///   - start: begins every text.
  ///   - end: ends it.
  ///   - padding: fills it.
  ///   - added: tokens found as they stand.
  ///   - length: how many numbers a text becomes, at least 2.
  public init(
    _ encoding: BytePairEncoding, start: Int, end: Int, padding: Int, added: [Added],
    length: Int = CLIPTokenizer.customaryLength
  ) {
    precondition(length >= 2, "room for a start and an end")
    (self.encoding, self.start, self.end, self.padding, self.added) = (encoding, start, end, padding, added)
    self.length = length
    func places(_ isNormalised: Bool) -> [(codes: [UInt32], id: Int)] {
      added.filter { $0.isNormalised == isNormalised }.map { ($0.codes, $0.id) }.filter { !$0.0.isEmpty }
        .sorted { $0.0.count > $1.0.count }
    }
    (raw, normalised) = (places(false), places(true))
  }

  /// The same tokenizer for texts of another length.
  public func with(length: Int) -> CLIPTokenizer {
    CLIPTokenizer(encoding, start: start, end: end, padding: padding, added: added, length: length)
  }

  public func ids(of text: String) -> [Int] { padded(tokens(of: text)) }

  public func note(on text: String) -> String? {
    let count = tokens(of: text).count
    guard count > length - 2 else { return nil }
    return "the text '\(text.brief)' has \(count) tokens; the last \(count - length + 2) are cut off: "
      + "the network reads \(length - 2) between start and end"
  }

  /// The tokens between start and end, all of them.
  public func tokens(of text: String) -> [Int] {
    var ids: [Int] = []
    forEachPart(of: text.unicodeScalars.map(\.value), raw, { ids.append($0) }) { part in
      forEachPart(of: TextNormaliser.normalise(part), normalised, { ids.append($0) }) { encode($0, into: &ids) }
    }
    return ids
  }

  /// Start, as many tokens as there is room for, end, padding.
  public func padded(_ tokens: [Int]) -> [Int] {
    let kept = tokens.prefix(length - 2)
    return [start] + kept + [end] + Array(repeating: padding, count: length - 2 - kept.count)
  }

  private func encode(_ text: [UInt32], into ids: inout [Int]) {
    var bytes: [UInt8] = []
    TextPieces.forEach(in: text) { piece in
      bytes.removeAll(keepingCapacity: true)
      for code in text[piece] {
        if code < 0x80 {
          bytes.append(UInt8(code))
        } else if let scalar = Unicode.Scalar(code) {
          bytes.append(contentsOf: UTF8.encode(scalar)!)
        }
      }
      encoding.encode(bytes, into: &ids)
    }
  }

  /// Cuts a text at added tokens: the leftmost, and the longest of those that begin at one place.
  private func forEachPart(
    of text: [UInt32], _ added: [(codes: [UInt32], id: Int)], _ found: (Int) -> Void, _ part: ([UInt32]) -> Void
  ) {
    if added.isEmpty { return text.isEmpty ? () : part(text) }
    let heads = Set(added.map { $0.codes[0] })
    var (begin, place) = (0, 0)
    while place < text.count {
      guard heads.contains(text[place]), let match = added.first(where: { text[place...].starts(with: $0.codes) })
      else {
        place += 1
        continue
      }
      if begin < place { part(Array(text[begin..<place])) }
      found(match.id)
      place += match.codes.count
      begin = place
    }
    if begin < text.count { part(begin == 0 ? text : Array(text[begin...])) }
  }
}

extension String {
  /// Its beginning on one line, for messages.
  fileprivate var brief: String {
    let start = String(String.UnicodeScalarView(unicodeScalars.prefix(60))).inOneLine
    return unicodeScalars.count <= 60 ? start : start + "…"
  }
}
