// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Experiments
import Foundation
import Pairs
import Testing

/// Experiments on images in files.
@Suite("Images in files") struct ImageDataTests {
  private static func idx(_ sizes: [Int], _ values: [UInt8]) -> Data {
    Data(
      [0, 0, 8, UInt8(sizes.count)] + sizes.flatMap { size in (0..<4).map { UInt8(size >> (24 - 8 * $0) & 255) } }
        + values)
  }

  /// 48 images of 4 × 4 pixels with labels 1, 2, 3.
  private func write(_ folder: String, seed: Int = 0) throws {
    let values = (0..<48 * 16).map { UInt8(truncatingIfNeeded: ($0 + seed) &* 2_654_435_761 >> 7) }
    try Self.idx([48, 4, 4], values).write(to: URL(fileURLWithPath: folder + "/x"))
    try Self.idx([48], (0..<48).map { UInt8($0 % 3 + 1) }).write(to: URL(fileURLWithPath: folder + "/y"))
  }

  private func config(_ folder: String, _ network: String) -> String {
    """
    name: images
    data: {kind: idx, path: \(folder)/x, labels: \(folder)/y}
    process: {kind: vp}
    score: {kind: network, network: \(network)}
    training: {steps: 2, batch: 8}
    sampling:
      count: 7
      solvers: [{name: em, kind: euler-maruyama, steps: 3}]
    evaluation: {metrics: []}
    """
  }

  private static let mlp = "{kind: mlp, hidden: [8], features: 4, class_conditional: true}"

  private func samples(_ folder: String) -> [Substring] {
    contents(folder + "/samples/em.csv").split(separator: "\n").dropFirst().map { $0 }
  }

  @Test("classes are those that occur: others are refused, and only these are drawn in turn") func classes() throws {
    try withFolder { folder in
      try write(folder)
      let networks = [Self.mlp, "{kind: unet, channels: [8], blocks: 1, class_conditional: true}"]
      for (index, network) in networks.enumerated() {
        let own = "\(folder)/\(index)"
        func run(_ condition: String, _ name: String, _ text: String? = nil) throws -> [Substring] {
          let plan = try plan(
            text ?? config(folder, network), overrides: ["sampling.condition=\(condition)"])
          _ = try makeExperiment(plan, folder: "\(own)-\(name)", store: own + "-models").run()
          return samples("\(own)-\(name)")
        }
        let turn = try run("auto", "turn")
        let labels = (0..<7).map { "\($0 % 3 + 1)\n" }.joined()
        try labels.write(toFile: folder + "/labels.csv", atomically: true, encoding: .utf8)
        #expect(try run("{csv: \(folder)/labels.csv}", "csv") == turn && turn.count == 7)
        let two = try run("{class: 2}", "two")
        for row in 0..<7 { #expect((two[row] == turn[row]) == (row % 3 == 1)) }
        // A network that another experiment trained knows what it has learned.
        let borrowed = config(folder, network).replacingOccurrences(
          of: "score: {kind: network, network: \(network)}\ntraining: {steps: 2, batch: 8}",
          with: "score: {kind: checkpoint, path: \(own)-turn/checkpoint.safetensors}")
        #expect(try run("auto", "borrowed", borrowed) == turn)
        for (name, text) in [("own", nil), ("other", borrowed)] {
          let error = #expect(throws: InputError.self) { try run("{class: 0}", name, text) }
          #expect(
            error?.message == "is class 0, which no row to learn from has; allowed: 1, 2, 3, or in-turn",
            "\(error?.description ?? "")")
          #expect(!FileManager.default.fileExists(atPath: "\(own)-\(name)"))
        }
        try "1\n0\n2\n3\n1\n2\n3\n".write(toFile: folder + "/wrong.csv", atomically: true, encoding: .utf8)
        let error = #expect(throws: InputError.self) { try run("{csv: \(folder)/wrong.csv}", "wrong") }
        #expect(error?.message.contains("class 0 of sample 2") == true, "\(error?.description ?? "")")
      }
    }
  }

  @Test("a class beyond all numbers is refused in one line") func huge() throws {
    try withFolder { folder in
      try write(folder)
      for text in ["1e300", "4", "-1"] {
        #expect(throws: InputError.self) {
          try plan(config(folder, Self.mlp), overrides: ["sampling.condition={class: \(text)}"])
        }
      }
    }
  }

  @Test("a touched file trains nothing again; other content of the same size and time does") func content() throws {
    try withFolder { folder in
      func run() throws -> (summary: String, samples: [Substring]) {
        let plan = try plan(config(folder, Self.mlp))
        let summary = try makeExperiment(plan, folder: folder + "/r", store: folder + "/models").run()
        return (summary, samples(folder + "/r"))
      }
      try write(folder)
      let first = try run()
      #expect(!first.summary.contains("used again"))
      let day = Date(timeIntervalSince1970: 1_000_000_000)
      func touch(_ path: String, _ date: Date) throws {
        try FileManager.default.setAttributes([.modificationDate: date], ofItemAtPath: path)
      }
      try touch(folder + "/x", day)
      try touch(folder + "/y", day)
      let second = try run()
      #expect(second.summary.contains("used again") && second.samples == first.samples)
      try write(folder, seed: 1)
      try touch(folder + "/x", day)
      try touch(folder + "/y", day)
      let third = try run()
      #expect(!third.summary.contains("used again") && third.samples != first.samples)
      // Under another name it is the same data.
      try FileManager.default.moveItem(atPath: folder + "/x", toPath: folder + "/z")
      let text = config(folder, Self.mlp).replacingOccurrences(of: "/x,", with: "/z,")
      let summary = try makeExperiment(try plan(text), folder: folder + "/s", store: folder + "/models").run()
      #expect(summary.contains("used again"))
    }
  }

  @Test("held_out is a share, a folder, or, as before, a number of crops") func heldOut() throws {
    try withFolder { folder in
      try write(folder)
      func heldOut(_ override: String) throws -> Int {
        try plan(config(folder, Self.mlp), overrides: [override]).data.load(seed: 1).heldOut.count
      }
      // There are 16 rows of each of three classes.
      #expect(try heldOut("data.flip=false") == 9)
      #expect(try heldOut("data.held_out={share: 0.25}") == 12)
      #expect(throws: InputError.self) { try heldOut("data.held_out={share: 1.5}") }
      #expect(throws: InputError.self) { try heldOut("data.held_out=3") }
    }
  }
}
