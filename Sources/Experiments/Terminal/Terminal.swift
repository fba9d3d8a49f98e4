// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation

/// What a terminal can show: its size at this moment, and whether it knows Unicode and colours.
public struct Terminal: Sendable, Equatable {
  /// How many colours may be used.
  public enum Colours: Sendable, Equatable {
    /// Black on white, or white on black.
    case none
    /// The 256 of a table.
    case indexed
    /// 24 bits.
    case full
  }

  /// How many characters a line has.
  public var columns: Int
  /// How many lines there are.
  public var rows: Int
  /// Whether characters beyond ASCII may be written.
  public var isUnicode: Bool
  /// How many colours may be used.
  public var colours: Colours

  /// A terminal of a size, with what it knows.
  public init(columns: Int, rows: Int, isUnicode: Bool, colours: Colours = .none) {
    (self.columns, self.rows) = (columns, rows)
    (self.isUnicode, self.colours) = (isUnicode, colours)
  }

  /// Whether a stream leads to a terminal in which a line can be rewritten.
  public static func isTerminal(_ descriptor: Int32) -> Bool {
    isatty(descriptor) == 1 && variable("TERM") != "dumb"
  }

  /// The terminal behind a stream. Asked anew for every drawing, this follows a window that changes its size.
  ///
  /// Where the system does not know the size, or there is no terminal, `COLUMNS` and `LINES` say it, else it is 80 × 24.
  public static func behind(_ descriptor: Int32) -> Terminal {
    var size = winsize()
    let isKnown = ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0
    func number(_ known: UInt16, _ name: String, _ usual: Int) -> Int {
      if isKnown && known > 0 { return Int(known) }
      return variable(name).flatMap { Int($0) }.flatMap { (1...10_000).contains($0) ? $0 : nil } ?? usual
    }
    return Terminal(
      columns: number(size.ws_col, "COLUMNS", 80), rows: number(size.ws_row, "LINES", 24), isUnicode: isUnicode,
      colours: isTerminal(descriptor) ? colours : .none)
  }

  /// Whether the locale says UTF-8.
  private static var isUnicode: Bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].lazy.compactMap { variable($0) }.first?.lowercased() ?? ""
    return locale.contains("utf-8") || locale.contains("utf8")
  }

  private static var colours: Colours {
    if variable("NO_COLOR") != nil { return .none }
    if ["truecolor", "24bit"].contains(variable("COLORTERM") ?? "") { return .full }
    return variable("TERM")?.contains("256color") == true ? .indexed : .none
  }

  /// A variable of the environment that is not empty.
  private static func variable(_ name: String) -> String? {
    getenv(name).flatMap { $0.pointee == 0 ? nil : String(cString: $0) }
  }
}
