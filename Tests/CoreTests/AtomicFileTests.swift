// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Testing

@Suite("Files that are whole") struct AtomicFileTests {
  private struct Stopped: Error {}

  private func withFolder(_ body: (String) throws -> Void) throws {
    let path = NSTemporaryDirectory() + "atomic-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: path) }
    try body(path)
  }

  private func write(_ text: String, to path: String) throws {
    try Array(text.utf8).withUnsafeBytes { try AtomicFile.write($0, to: path) }
  }

  @Test("a file is replaced as a whole, and kept where its successor fails; no temporary file stays")
  func whole() throws {
    try withFolder { folder in
      let path = folder + "/a"
      try write("one", to: path)
      try write("two", to: path)
      #expect(try String(contentsOfFile: path, encoding: .utf8) == "two")
      #expect(throws: Stopped.self) {
        try AtomicFile.write(to: path) { write in
          try Array("thr".utf8).withUnsafeBytes { try write($0) }
          #expect(try FileManager.default.contentsOfDirectory(atPath: folder).count == 2)
          throw Stopped()
        }
      }
      #expect(try String(contentsOfFile: path, encoding: .utf8) == "two")
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["a"])
    }
  }

  @Test("a full disk, and a place that cannot be, are errors with the system's words") func errors() throws {
    #expect(throws: WriteError(path: "/dev/full", reason: "No space left on device")) {
      try write(String(repeating: "x", count: 100_000), to: "/dev/full")
    }
    // A device stays one.
    var status = stat()
    #expect(stat("/dev/full", &status) == 0 && status.st_mode & S_IFMT == S_IFCHR)
    try withFolder { folder in
      try write("", to: folder + "/file")
      #expect(throws: WriteError(path: folder + "/file/a", reason: "Not a directory")) {
        try write("a", to: folder + "/file/a")
      }
    }
  }

  @Test("a program that ends at once leaves no temporary file") func endsAtOnce() async throws {
    let folder = NSTemporaryDirectory() + "atomic-exit-\(getpid())"
    try? FileManager.default.removeItem(atPath: folder)
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    await #expect(processExitsWith: .exitCode(143)) {
      try AtomicFile.write(to: NSTemporaryDirectory() + "atomic-exit-\(getppid())/a") { write in
        try Array("a".utf8).withUnsafeBytes { try write($0) }
        AtomicFile.endProgram(code: 143)
      }
    }
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder).isEmpty)
    try FileManager.default.removeItem(atPath: folder)
  }
}
