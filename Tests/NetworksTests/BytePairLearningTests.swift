// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Networks
import Testing

@Suite("Learned byte pairs") struct BytePairLearningTests {
  @Test("every word is one token, and comes back from it") func words() throws {
    let words = [
      "a", "two", "three", "red", "green", "above", "of", "four", "fours", "zero", "zeros", "seven", "sevens", "Große",
      "日本語", "x", "ones", "one",
    ]
    let tokenizer = try CLIPTokenizer(learnedFrom: words, length: 8)
    var seen: Set<Int> = []
    for word in words {
      let tokens = tokenizer.tokens(of: word)
      #expect(tokens.count == 1, "\(word): \(tokens)")
      #expect(seen.insert(tokens[0]).inserted, "\(word)")
    }
    // The letters of all bytes, inside and at the end, the merges, start and end.
    #expect(tokenizer.tokenCount == 512 + tokenizer.encoding.merges.count + 2)
    #expect(
      tokenizer.ids(of: "two red") == [
        tokenizer.start, tokenizer.tokens(of: "two")[0], tokenizer.tokens(of: "red")[0], tokenizer.end,
      ] + Array(repeating: tokenizer.end, count: 4))
    // Other words are still read, letter by letter at worst.
    #expect(tokenizer.tokens(of: "tower").count > 1 && tokenizer.tokens(of: "qq").count == 2)
  }

  @Test("merges do not depend on the order of texts, nor on how often a word occurs") func order() throws {
    let texts = ["two red sevens above a green three", "a blue four left of a yellow nine", "don't, 3rd: why?"]
    let one = try BytePairEncoding.learned(from: texts)
    let other = try BytePairEncoding.learned(from: texts.reversed() + texts + ["three three three"])
    #expect(one.vocabulary == other.vocabulary)
    #expect(one.merges.map { "\($0.first) \($0.second)" } == other.merges.map { "\($0.first) \($0.second)" })
    #expect(try BytePairEncoding.learned(from: texts, limit: 3).merges.count == 3)
    #expect(try BytePairEncoding.learned(from: [String]()).merges.isEmpty)
  }

  @Test("a tokenizer is as long as the longest text, and CLIP's at most") func length() throws {
    #expect(try CLIPTokenizer(learnedFrom: ["a red seven", "two"]).length == 5)
    #expect(try CLIPTokenizer(learnedFrom: []).length == 2)
    let long = String(repeating: "a b ", count: 60)
    #expect(try CLIPTokenizer(learnedFrom: [long]).length == 77)
  }
}
