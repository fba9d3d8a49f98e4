// SPDX-License-Identifier: GPL-3.0-or-later
import Core

extension BytePairEncoding {
  /// Learns merges from texts until each of their words is one token, or there are as many merges as allowed (Sennrich
  /// et al. 2016, algorithm 1): the pair of neighbours that occurs in the most words becomes a token, the first by its
  /// letters of equally frequent ones, again and again. How often a word occurs does not count.
  ///
  /// The vocabulary is of CLIP's kind: the letters of all bytes, the same at the end of a word, the merges, and the
  /// tokens of start and end. Other texts are read too, by more tokens.
  /// - Parameters:
  ///   - texts: whose words become one token each; words are the pieces that CLIP's tokenizer cuts normalised texts
  ///     into.
  ///   - limit: how many merges there are at most. The work grows with the merges times the words.
  public static func learned(from texts: some Sequence<String>, limit: Int = 4096) throws -> BytePairEncoding {
    var words: Set<[String]> = []
    for text in Set(texts) {
      let codes = TextNormaliser.normalise(text.unicodeScalars.map(\.value))
      TextPieces.forEach(in: codes) { piece in
        let word = String(String.UnicodeScalarView(codes[piece].compactMap { Unicode.Scalar($0) }))
        var symbols = word.utf8.map { String(ByteLetters.letters[Int($0)]) }
        symbols[symbols.count - 1] += suffix
        words.insert(symbols)
      }
    }
    var symbols = Array(words)
    var merges: [(first: String, second: String)] = []
    while merges.count < limit, let (first, second) = mostFrequent(symbols) {
      merges.append((first, second))
      for index in symbols.indices where symbols[index].contains(first) {
        symbols[index] = merged(symbols[index], first, second)
      }
    }
    let letters = ByteLetters.order.map { String(ByteLetters.letters[$0]) }
    let tokens =
      letters + letters.map { $0 + suffix } + merges.map { $0.first + $0.second }
      + [CLIPTokenizer.startText, CLIPTokenizer.endText]
    var vocabulary: [String: Int] = [:]
    // Two ways to one token are one token.
    for token in tokens where vocabulary[token] == nil { vocabulary[token] = vocabulary.count }
    return try BytePairEncoding(vocabulary: vocabulary, merges: merges, unknown: CLIPTokenizer.endText)
  }

  private static func merged(_ word: [String], _ first: String, _ second: String) -> [String] {
    var result: [String] = []
    var place = 0
    while place < word.count {
      if place + 1 < word.count, word[place] == first, word[place + 1] == second {
        result.append(first + second)
        place += 2
      } else {
        result.append(word[place])
        place += 1
      }
    }
    return result
  }

  private struct Pair: Hashable {
    let first, second: String
  }

  /// The pair of neighbours that occurs most often; nil where all words are one symbol.
  private static func mostFrequent(_ words: [[String]]) -> (String, String)? {
    var counts: [Pair: Int] = [:]
    for word in words {
      for (first, second) in zip(word, word.dropFirst()) { counts[Pair(first: first, second: second), default: 0] += 1 }
    }
    let best = counts.min { (-$0.value, $0.key.first, $0.key.second) < (-$1.value, $1.key.first, $1.key.second) }
    return best.map { ($0.key.first, $0.key.second) }
  }
}

extension CLIPTokenizer {
  /// A tokenizer of given texts, of whose words each is one token.
  /// - Parameters:
  ///   - texts: what is read, as far as it is known; others are read by more tokens.
  ///   - length: how many numbers a text becomes, with start and end; nil: as many as the longest of these needs.
  public init(learnedFrom texts: [String], length: Int? = nil) throws {
    let encoding = try BytePairEncoding.learned(from: texts)
    let vocabulary = encoding.vocabulary
    guard let start = vocabulary[Self.startText], let end = vocabulary[Self.endText] else {
      preconditionFailure("a vocabulary with start and end")
    }
    let added = [Added(Self.startText, id: start), Added(Self.endText, id: end)]
    func make(_ length: Int) -> CLIPTokenizer {
      CLIPTokenizer(encoding, start: start, end: end, padding: end, added: added, length: length)
    }
    guard length == nil else {
      self = make(length ?? 2)
      return
    }
    let reader = make(2)
    self = make(min(Self.customaryLength, 2 + (Set(texts).map { reader.tokens(of: $0).count }.max() ?? 0)))
  }
}
