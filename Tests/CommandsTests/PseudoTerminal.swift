// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation

/// A terminal that a test looks at: what a program writes to it, and keys for the program.
final class PseudoTerminal {
  /// The program's end.
  let handle: FileHandle
  private let master: Int32

  init?(columns: UInt16, rows: UInt16) {
    master = open("/dev/ptmx", O_RDWR | O_NOCTTY)
    // TIOCSPTLCK and TIOCGPTN of linux/tty.h, macros that Swift does not see: unlock the other end, and tell its number.
    var (isLocked, number): (Int32, Int32) = (0, 0)
    guard master >= 0, ioctl(master, 0x4004_5431, &isLocked) == 0, ioctl(master, 0x8004_5430, &number) == 0 else {
      return nil
    }
    let end = open("/dev/pts/\(number)", O_RDWR | O_NOCTTY)
    guard end >= 0 else { return nil }
    handle = FileHandle(fileDescriptor: end, closeOnDealloc: true)
    _ = fcntl(master, F_SETFL, O_NONBLOCK)
    resize(columns: columns, rows: rows)
  }

  deinit { close(master) }

  func resize(columns: UInt16, rows: UInt16) {
    var size = winsize(ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0)
    _ = ioctl(master, UInt(TIOCSWINSZ), &size)
  }

  /// Whether what is typed is shown, as it is before and after a program that reads keys.
  var echoes: Bool {
    var mode = termios()
    return tcgetattr(master, &mode) == 0 && mode.c_lflag & tcflag_t(ECHO) != 0
  }

  func type(_ text: String) { _ = Array(text.utf8).withUnsafeBytes { write(master, $0.baseAddress, $0.count) } }

  /// What was written since the last call.
  func read() -> String {
    var (bytes, chunk) = ([UInt8](), [UInt8](repeating: 0, count: 1 << 16))
    while true {
      let count = Foundation.read(master, &chunk, chunk.count)
      if count <= 0 { return String(decoding: bytes, as: UTF8.self) }
      bytes += chunk[..<count]
    }
  }

  /// The pieces of a text between which the cursor goes elsewhere, without what only changes colours.
  static func pieces(_ text: String) -> [String] {
    var (pieces, piece) = ([String](), "")
    var scalars = text.unicodeScalars.makeIterator()
    while let scalar = scalars.next() {
      switch scalar {
      case "\u{1B}":
        // A control sequence ends with a letter.
        var last = scalars.next()
        if last == "[" { repeat { last = scalars.next() } while last.map { !$0.properties.isAlphabetic } ?? false }
        if last == "H" {
          pieces.append(piece)
          piece = ""
        }
      case "\r", "\n":
        pieces.append(piece)
        piece = ""
      default: piece.unicodeScalars.append(scalar)
      }
    }
    return (pieces + [piece]).filter { !$0.isEmpty }
  }
}
