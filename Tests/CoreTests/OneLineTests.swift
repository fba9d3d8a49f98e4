// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Testing

@Suite("Messages") struct OneLineTests {
  /// A file's field may hold a line end, or what moves a terminal's cursor.
  @Test("control characters are written out") func controls() {
    let error = InputError("'a\nb\u{1B}[2J\u{0}\u{7F}\u{2028}' is no number", at: "x\r\ty.csv:3")
    #expect(error.description == #"x\r\ty.csv:3: 'a\nb\u{1B}[2J\u{0}\u{7F}\u{2028}' is no number"#)
  }

  @Test("of a long message the middle is left out") func length() {
    let error = InputError("begins " + String(repeating: "é", count: 100_000) + " ends")
    #expect(error.description.hasPrefix("begins é") && error.description.hasSuffix("é ends"))
    #expect(error.description.count < 3100 && error.description.contains(" … "))
    let plain = "x: 'ä' is not known; allowed: a, b"
    #expect(InputError(plain).description == plain)
  }
}
