// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Networks
import Testing

@Suite("JSON") struct JSONTests {
  @Test("values read as they are written") func values() throws {
    let text = #" {"a": [1, -2.5e3, true, false, null, "x\n\u00e9\ud83d\ude00"], "b": {}, "c": 9223372036854775807} "#
    guard case .object(let members) = try JSONValue(decoding: text.utf8) else { throw InputError("no object") }
    #expect(members.map(\.key) == ["a", "b", "c"])
    #expect(members[0].value.brief == "[1, -2500.0, true, false, null, 'x é😀']")
    #expect(members[2].value.brief == "9223372036854775807")
    // What Python writes, and what no double holds.
    for (text, brief) in [("NaN", "nan"), ("-Infinity", "-inf"), ("1e400", "inf"), ("-0", "0"), ("1e-400", "0.0")] {
      #expect(try JSONValue(decoding: text.utf8).brief == brief)
    }
    #expect(try JSONValue(decoding: "123456789012345678901234567890".utf8).brief == "1.2345678901234568e+29")
  }

  static let malformed = [
    "", " ", "{", "}", "[", "[1", "[1,", "[1,]", "[,1]", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{a:1}", "{1:2}", "'a'",
    "tru", "nul", "01", "-", "1.", ".5", "1e", "+1", "0x1", "1 2", "{} {}", "\"", "\"\\", "\"\\x\"", "\"\\u12\"",
    "\"\\ud800\"", "\"\\udc00\"", "\"\\ud800\\u0041\"", "\"a\nb\"",
    "{\"a\":1,\"a\":2}", "{\"a\":{\"b\":1,\"\\u0062\":2}}",
    "nan", "infinity", "[1}", "\u{feff}{}",
  ]

  @Test(arguments: malformed) func isRefused(text: String) {
    let error = #expect(throws: InputError.self) { try JSONValue(decoding: text.utf8) }
    #expect(error?.message.hasPrefix("not JSON at byte ") == true)
    #expect(error?.message.contains("\n") == false)
  }

  @Test("deep nesting, long numbers and bytes that are not UTF-8 are refused, where they are") func limits() throws {
    func nested(_ depth: Int) -> String {
      String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
    }
    _ = try JSONValue(decoding: nested(32).utf8)
    for depth in [33, 1_000_000] {
      let error = #expect(throws: InputError.self) { try JSONValue(decoding: nested(depth).utf8) }
      #expect(error?.message.contains("nested deeper than 32") == true)
    }
    #expect(throws: InputError.self) { try JSONValue(decoding: String(repeating: "9", count: 2000).utf8) }
    for bytes in [[0xff], [0xc3], [0xed, 0xa0, 0x80], [0x5c, 0x6e, 0xff]] as [[UInt8]] {
      let error = #expect(throws: InputError.self) { try JSONValue(decoding: [0x22] + bytes + [0x22]) }
      #expect(error?.message.contains("not UTF-8") == true)
    }
    let error = #expect(throws: InputError.self) { try JSONValue(decoding: "{\n\"a\": 1,\n \"b\": x}".utf8) }
    #expect(error?.message.hasPrefix("not JSON at byte 16, line 3") == true)
  }
}
