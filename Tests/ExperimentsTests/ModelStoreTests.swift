// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Experiments
import Foundation
import Networks
import Testing

/// What is kept of trained networks, and what is made of it.
@Suite("The store of models") struct ModelStoreTests {
  private func bytes(_ path: String) -> Data? { FileManager.default.contents(atPath: path) }

  private func kept(_ store: String) -> [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: store)) ?? []).filter { $0.hasSuffix(".safetensors") }
      .sorted()
  }

  @Test("a network that one experiment trained is used by another one of another name and folder") func shared() throws
  {
    try withFolder { folder in
      let store = folder + "/models"
      _ = try makeExperiment(try plan(tiny), folder: folder + "/a", store: store).run([.train])
      let other = try plan(tiny, overrides: ["name=other", "sampling.count=7"])
      // Without a training, and with one.
      _ = try makeExperiment(other, folder: folder + "/b", store: store).run([.sample])
      let summary = try makeExperiment(other, folder: folder + "/c", store: store).run()
      #expect(summary.contains("used again"))
      for file in ["checkpoint.safetensors", "training.csv", "loss_by_time.csv"] {
        #expect(bytes("\(folder)/a/\(file)") != nil)
        #expect(bytes("\(folder)/a/\(file)") == bytes("\(folder)/c/\(file)"), "\(file)")
      }
      #expect(kept(store).count == 1)
      #expect(bytes("\(store)/\(kept(store)[0])") == bytes(folder + "/a/checkpoint.safetensors"))
    }
  }

  @Test("a changed option destroys nothing: the first network is there again, without training") func overrides() throws
  {
    try withFolder { folder in
      func run(_ overrides: [String] = []) throws -> String {
        try makeExperiment(try plan(tiny, overrides: overrides), folder: folder + "/r", store: folder + "/models").run()
      }
      _ = try run()
      let (first, samples) = (bytes(folder + "/r/checkpoint.safetensors"), bytes(folder + "/r/samples/em.csv"))
      #expect(!(try run(["training.steps=20"])).contains("used again"))
      #expect(bytes(folder + "/r/checkpoint.safetensors") != first)
      #expect(try run().contains("used again"))
      #expect(bytes(folder + "/r/checkpoint.safetensors") == first && bytes(folder + "/r/samples/em.csv") == samples)
      // The log of the network that is shown: 60 steps.
      #expect(contents(folder + "/r/training.csv").split(separator: "\n").last?.hasPrefix("60,") == true)
    }
  }

  @Test("a finished network that only the results folder has is used, and kept when another takes its place")
  func olderFolders() throws {
    try withFolder { folder in
      let store = folder + "/models"
      func run(_ overrides: [String] = []) throws -> String {
        try makeExperiment(try plan(tiny, overrides: overrides), folder: folder + "/r", store: store).run([.train])
      }
      _ = try run()
      let first = bytes(folder + "/r/checkpoint.safetensors")
      try FileManager.default.removeItem(atPath: store)
      #expect(try run().contains("used again"))
      #expect(kept(store).count == 1)
      try FileManager.default.removeItem(atPath: store)
      _ = try run(["seed=4"])
      #expect(kept(store).count == 2)
      #expect(try run().contains("used again"))
      #expect(bytes(folder + "/r/checkpoint.safetensors") == first)
    }
  }

  @Test("an older program's checkpoint, whose config lacks options that came later, is the same network")
  func olderChoice() throws {
    try withFolder { folder in
      let now = try plan(tiny)
      _ = try makeExperiment(now, folder: folder + "/r").run([.train])
      // The text of a program that had no `clip` yet, and no checksums.
      let path = folder + "/r/checkpoint.safetensors"
      var file = try Safetensors(reading: path)
      let text = try #require(file.metadata["config"])
      #expect(text.contains("clip: 1\n  "))
      file.metadata["config"] = text.replacing("clip: 1\n  ", with: "")
      file.metadata["format"] = "score-sde checkpoint 1"
      file.metadata["score_sde_checksum"] = nil
      try FileManager.default.removeItem(atPath: folder + "/r/.models")
      try FileManager.default.removeItem(atPath: path)
      try file.encoded().write(to: URL(fileURLWithPath: path))
      #expect(try makeExperiment(now, folder: folder + "/r").run([.train]).contains("used again"))
      #expect(
        !(try makeExperiment(plan(tiny, overrides: ["training.clip=2"]), folder: folder + "/r").run([.train]))
          .contains("used again"))
    }
  }

  @Test("more steps at a constant learning rate go on to the bytes of a straight run; along a cosine they begin anew")
  func moreSteps() throws {
    try withFolder { folder in
      func train(_ steps: Int, _ decay: String, store: String) throws -> Data {
        let plan = try plan(
          tiny, overrides: ["training.steps=\(steps)", "training.decay=\(decay)", "training.warmup=10"])
        _ = try makeExperiment(plan, folder: "\(folder)/\(decay)-\(store)-\(steps)", store: "\(folder)/\(store)").run([
          .train
        ])
        return try #require(bytes("\(folder)/\(decay)-\(store)-\(steps)/checkpoint.safetensors"))
      }
      for decay in ["constant", "cosine"] {
        let short = try train(40, decay, store: "first")
        let long = try train(80, decay, store: "first")
        let straight = try train(80, decay, store: "second")
        #expect(long == straight, "\(decay)")
        // The shorter one is still there.
        #expect(try train(40, decay, store: "first") == short)
        let log = contents("\(folder)/\(decay)-first-80/training.csv").split(separator: "\n")
        #expect(log.count == 81 && log.last?.hasPrefix("80,") == true)
      }
      // Only the rows of steps that were taken again differ in their seconds.
      func seconds(_ store: String, _ step: Int, _ decay: String, _ of: Int) -> Substring? {
        contents("\(folder)/\(decay)-\(store)-\(of)/training.csv").split(separator: "\n")
          .first { $0.hasPrefix("\(step),") }?.split(separator: ",").last
      }
      #expect(seconds("first", 20, "constant", 80) == seconds("first", 20, "constant", 40))
      #expect(seconds("first", 20, "cosine", 80) != seconds("first", 20, "cosine", 40))
    }
  }

  @Test("files that other paths name are the same data; a changed file is not") func files() throws {
    try withFolder { folder in
      let rows = (0..<60).map { "\(sin(Double($0))),\(cos(Double(3 * $0)))" }.joined(separator: "\n")
      for name in ["a", "b"] {
        try ("x,y\n" + rows + "\n").write(toFile: "\(folder)/\(name).csv", atomically: true, encoding: .utf8)
      }
      try ("x,y\n" + rows + "\n0,0\n").write(toFile: folder + "/c.csv", atomically: true, encoding: .utf8)
      func identity(_ name: String) throws -> String {
        try plan(tiny, overrides: ["data={kind: csv, path: \(folder)/\(name).csv}"]).trainingIdentity
      }
      #expect(try identity("a") == identity("b"))
      #expect(try identity("a") != identity("c"))
    }
  }

  @Test("a store that cannot be made is refused before anything is trained") func noStore() throws {
    try withFolder { folder in
      try "".write(toFile: folder + "/file", atomically: true, encoding: .utf8)
      let error = #expect(throws: InputError.self) {
        try makeExperiment(try plan(tiny), folder: folder + "/r", store: folder + "/file/models").run([.train])
      }
      #expect(error?.description.contains("SCORE_SDE_MODELS") == true)
    }
  }
}
