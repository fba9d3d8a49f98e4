// SPDX-License-Identifier: GPL-3.0-or-later
import Experiments
import Testing

@Suite("Lines that fit a window") struct ProgressLineTests {
  private static func line(_ title: String = "train vp-digits") -> ProgressLine {
    var line = ProgressLine(title: title, total: 5000)
    (line.done, line.loss, line.speed) = (1200, "loss 0.412", "0.0123 s a step  2.08e+04 images/s")
    (line.seconds, line.secondsLeft) = (12.6, 40)
    return line
  }

  @Test("a line of progress fits every window, and keeps its count longest") func widths() {
    for title in ["train vp-digits", "t", String(repeating: "long-name-", count: 10), "列車 訓練"] {
      for columns in 1...200 {
        for isUnicode in [true, false] {
          let text = Self.line(title).text(columns: columns, isUnicode: isUnicode)
          #expect(text.displayWidth <= columns, "\(columns): \(text)")
          if columns >= 9 { #expect(text.contains("1200/5000"), "\(columns): \(text)") }
          if !isUnicode && title.allSatisfy(\.isASCII) { #expect(text.utf8.allSatisfy { $0 < 128 }, "\(text)") }
        }
      }
    }
    for columns in 40...80 {
      let text = Self.line("train vp").text(columns: columns, isUnicode: true)
      #expect(text.contains("1200/5000") && text.contains("40 s left") && text.contains("trai"), "\(text)")
      #expect(text.contains("loss 0.412"), "\(text)")
    }
    #expect(Self.line().text(columns: 120, isUnicode: true).contains("24 %"))
    let bar = Self.line().text(columns: 79, isUnicode: true)
    #expect(bar.contains("█") && bar.contains("loss 0.412"), "\(bar)")
  }

  @Test("a line of a log says step, loss and time left; without a total, how long it has taken") func plain() {
    #expect(Self.line().plain == "train vp-digits: step 1200/5000, loss 0.412, 40 s left")
    var open = ProgressLine(title: "likelihood x")
    (open.done, open.seconds) = (37, 130)
    #expect(open.plain == "likelihood x: 37 steps, 2 min")
    #expect(open.text(columns: 80, isUnicode: true) == "likelihood x  37 steps  2 min")
    #expect(ProgressLine.text(ofSeconds: 7200 * 1.5) == "3.0 h" && ProgressLine.text(ofSeconds: .nan) == "?")
  }

  @Test("texts are cut and wrapped by the columns that they take") func columns() {
    #expect("abcdef".cut(to: 4) == "abc…" && "abcdef".cut(to: 4, isUnicode: false) == "abc~")
    #expect("abc".cut(to: 3) == "abc" && "abc".cut(to: 0).isEmpty)
    // Wide characters take two columns, combining ones none.
    #expect("漢字".displayWidth == 4 && "漢字かな".cut(to: 5) == "漢字…" && "漢字かな".cut(to: 4) == "漢…")
    #expect("e\u{301}x".displayWidth == 2 && "σ̃ = σ/m".displayWidth == 7)
    #expect("one two  three".wrapped(at: 7) == ["one two", "three"])
    #expect("abcdefgh ij".wrapped(at: 3) == ["abc", "def", "gh", "ij"] && "".wrapped(at: 5) == [""])
    #expect("a".padded(to: 3) == "a  " && "漢".padded(to: 3) == "漢 ")
  }
}
