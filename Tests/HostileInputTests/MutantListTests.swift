// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import Testing

private let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
  .deletingLastPathComponent()

/// Whether these are the sources themselves, and not a copy with faults in them.
private let isOriginal = !FileManager.default.fileExists(
  atPath: repository.appendingPathComponent("Sources/CKernels/ck_mutant.c").path)

/// The list of `make mutants`.
@Suite("Planted faults", .enabled(if: isOriginal)) struct MutantListTests {
  private struct Fault {
    let name, file, original, mutated: String
  }

  private static func faults() throws -> [Fault] {
    let text = try String(contentsOf: repository.appendingPathComponent("Tests/mutants.txt"), encoding: .utf8)
    var head: [String] = []
    return try text.split(separator: "\n").compactMap { line in
      if line.hasPrefix("#") { return nil }
      guard line.hasPrefix("  ") else {
        head = String(line).components(separatedBy: ": ")
        return nil
      }
      let parts = line.trimmingCharacters(in: .whitespaces).components(separatedBy: CharacterSet(charactersIn: "«»"))
      try #require(parts.count == 3 && head.count == 3, "\(line)")
      let inner = parts[1].components(separatedBy: " →")
      try #require(inner.count == 2, "\(line)")
      return Fault(name: head[0], file: head[1], original: parts[0] + inner[0] + parts[2], mutated: inner[1])
    }
  }

  @Test("every fault's source occurs once, so that the list does not rot")
  func sourcesAreThere() throws {
    let faults = try Self.faults()
    #expect(faults.count >= 60)
    #expect(Set(faults.map(\.name)).count == faults.count)
    for fault in faults {
      let path = repository.appendingPathComponent("Sources/\(fault.file)")
      let source = try String(contentsOf: path, encoding: .utf8)
      #expect(source.components(separatedBy: fault.original).count == 2, "\(fault.name): \(fault.original)")
    }
  }

  @Test("every floor has faults")
  func floorsHaveFaults() throws {
    let floors = Set(try Self.faults().compactMap { $0.file.split(separator: "/").first.map(String.init) })
    let expected: Set = [
      "CKernels", "Core", "Processes", "Scores", "Tensors", "Networks", "Models", "Solvers", "Datasets", "Training",
      "Conditioning", "Evaluation", "Plots", "Experiments", "Commands",
    ]
    #expect(floors == expected)
  }
}
