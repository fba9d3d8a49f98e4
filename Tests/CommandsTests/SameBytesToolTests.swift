// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import Testing

/// What `make same-bytes` compares.
@Suite("Tests/same_bytes.py") struct SameBytesToolTests {
  private static let hasPython = ["/usr/bin/", "/usr/local/bin/"].contains {
    FileManager.default.fileExists(atPath: $0 + "python3")
  }

  private static let script = #"""
    import pathlib, sys, tempfile
    sys.dont_write_bytecode = True
    sys.path.insert(0, "Tests")
    import same_bytes

    def folder(solvers, weights=b"w"):
        path = pathlib.Path(tempfile.mkdtemp(dir=sys.argv[1]))
        (path / "samples").mkdir()
        (path / "samples" / "em.csv").write_bytes(weights)
        (path / "solvers.csv").write_text(solvers)
        return same_bytes.contents(path)

    def different(a, b):
        return sorted(n for n in a.keys() | b.keys() if same_bytes.differs(a.get(n), b.get(n)))

    old = folder("solver,seconds,mmd\nem,1.5,0.25\n")
    assert different(old, folder("solver,seconds,mmd\nem,9,0.25\n")) == []
    newer = folder("seed,solver,seconds,mmd,memorisation\n1,em,2,0.25,0\n")
    assert different(old, newer) == []
    assert same_bytes.alone(old, newer) == "; columns of one program: memorisation, seed"
    assert same_bytes.alone(old, old) == ""
    assert different(old, folder("seed,solver,mmd\n1,em,0.26\n")) == ["solvers.csv"]
    assert different(old, folder("solver,seconds,mmd\nem,1.5,0.25\nem,1.5,0.25\n")) == ["solvers.csv"]
    assert different(old, folder("solver,seconds,mmd\nem,1.5\n")) == ["solvers.csv"]
    assert different(old, folder("kid\n1\n")) == ["solvers.csv"]
    assert different(old, folder("")) == ["solvers.csv"]
    assert different(old, folder("solver,seconds,mmd\nem,1.5,0.25\n", b"v")) == ["samples/em.csv"]
    """#

  @Test("columns that both programs write are compared, and nothing else differs silently", .enabled(if: hasPython))
  func columns() throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("score-sde-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let (process, output) = (Process(), Pipe())
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["python3", "-c", Self.script, folder.path]
    process.currentDirectoryURL = repository
    process.standardError = output
    try process.run()
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    #expect(process.terminationStatus == 0, "\(text)")
  }
}
