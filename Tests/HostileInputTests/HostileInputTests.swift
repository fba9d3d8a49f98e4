// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import HostileInput
import Testing

private let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()

/// Every reader on the corpus of Tests/Fuzz and on changes of it: an input is read or refused in one line. `make fuzz`
/// has the long form, under AddressSanitizer.
@Suite("Hostile input") struct HostileInputTests {
  /// The files of a format's corpus, by name.
  private static func corpus(_ format: HostileFormat) throws -> [(name: String, bytes: [UInt8])] {
    let folder = tests.appendingPathComponent("Fuzz/Corpus/\(format.name)")
    return try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted().map {
      ($0, Array(try Data(contentsOf: folder.appendingPathComponent($0))))
    }
  }

  @Test("what the corpus holds is read or refused in one line", arguments: HostileFormat.all.map(\.name))
  func corpusIsReadOrRefused(name: String) throws {
    let format = try #require(HostileFormat.all.first { $0.name == name })
    let (folder, corpus) = (try ScratchFolder(), try Self.corpus(format))
    var outcomes = (values: 0, refused: 0)
    for (file, bytes) in corpus {
      switch bytes.withUnsafeBytes({ format.read($0, in: folder) }) {
      case .values: outcomes.values += 1
      case .refused: outcomes.refused += 1
      case .finding(let text): Issue.record("\(name)/\(file): \(text)")
      }
    }
    // The corpus holds right files and wrong ones, apart from configs whose weights are not there, and from prompts,
    // none of which is wrong.
    #expect(outcomes.values > 0 || ["diffusers-config", "diffusers-scheduler", "text-config"].contains(name))
    #expect(outcomes.refused > 0 || name == "prompt")
  }

  @Test("changes of the corpus are read or refused in one line", arguments: HostileFormat.all.map(\.name))
  func changesAreReadOrRefused(name: String) throws {
    let format = try #require(HostileFormat.all.first { $0.name == name })
    let (folder, corpus) = (try ScratchFolder(), try Self.corpus(format).map(\.bytes))
    var mutator = Mutator(seed: 14)
    let clock = ContinuousClock()
    let end = clock.now + .milliseconds(1500)
    for round in 0..<2000 where clock.now < end {
      let bytes = mutator.mutated(corpus[round % corpus.count], of: format, others: corpus)
      if case .finding(let text) = bytes.withUnsafeBytes({ format.read($0, in: folder) }) {
        Issue.record("\(name), change \(round): \(text)")
        return
      }
    }
  }

  @Test("a safetensors header of 100,000 tensors is read, in time and memory that grow with it")
  func manyTensors() throws {
    var header = "{"
    for k in 0..<100_000 {
      header += k == 0 ? "" : ","
      header += "\"t\(k)\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[\(4 * k),\(4 * k + 4)]}"
    }
    header += "}"
    var bytes = withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Array($0) } + Array(header.utf8)
    bytes += [UInt8](repeating: 0, count: 400_000)
    let clock = ContinuousClock()
    let start = clock.now
    let outcome = try bytes.withUnsafeBytes { HostileFormat.safetensors.read($0, in: try ScratchFolder()) }
    #expect(outcome == .values(bytes: 400_000))
    #expect(start.duration(to: clock.now) < .seconds(20))
  }

  @Test("a safetensors header above 100 MB is refused before it is read")
  func hugeHeader() throws {
    let folder = try ScratchFolder()
    let length = UInt64(100_000_001)
    let path = try withUnsafeBytes(of: length.littleEndian) { try folder.write($0, to: "huge.safetensors") }
    // A sparse file: it takes no room.
    #expect(truncate(path, off_t(length + 8)) == 0)
    guard case .refused(let line) = HostileFormat.readSafetensors(path) else {
      Issue.record("a header of \(length) bytes was read")
      return
    }
    #expect(line.contains("100000001"))
  }
}
