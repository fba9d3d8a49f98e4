// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Experiments
import Foundation
import Networks
import Testing
import Training

/// What a run leaves, and what it leaves alone.
@Suite("What stays") struct DurabilityTests {
  private func names(_ folder: String) -> Set<String> {
    Set((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [])
  }

  private func manifest(_ folder: String) throws -> [String: Any] {
    let json = try JSONSerialization.jsonObject(with: Data(contents(folder + "/manifest.json").utf8))
    return try #require(json as? [String: Any])
  }

  @Test("a bit that flips anywhere in a checkpoint is found") func flips() throws {
    try withFolder { folder in
      _ = try makeExperiment(try plan(tiny), folder: folder).run([.train])
      let path = folder + "/checkpoint.safetensors"
      let whole = try #require(FileManager.default.contents(atPath: path))
      #expect(try Safetensors(decoding: whole).isSealed)
      let header = 8 + whole.prefix(8).withUnsafeBytes { Int($0.loadUnaligned(as: UInt64.self)) }
      var missed: [Int] = []
      for k in 0..<600 {
        // Every bit of the length, then header and tensors in turn.
        let (inHeader, inBody) = (8 + (k * 7919) % (header - 8), header + (k * 7919) % (whole.count - header))
        let place = k < 64 ? k / 8 : k % 2 == 0 ? inHeader : inBody
        var damaged = whole
        damaged[place] ^= 1 << UInt8(k % 8)
        if let file = try? Safetensors(decoding: damaged), (try? Checkpoint.config(of: file, path: "")) != nil {
          missed.append(place)
        }
      }
      #expect(missed.isEmpty, "\(missed)")
    }
  }

  @Test("a run over a finished folder says which keys changed") func changes() throws {
    try withFolder { folder in
      _ = try makeExperiment(try plan(tiny), folder: folder).run()
      func changes() throws -> [String] {
        try #require(try manifest(folder)["notes"] as? [String]).filter { $0.hasPrefix("changed since") }
      }
      #expect(try changes().isEmpty)
      _ = try makeExperiment(
        try plan(tiny, overrides: ["training.steps=20", "sampling.solvers.1.steps=6"]), folder: folder
      ).run()
      let notes = try changes()
      #expect(notes.count == 1)
      #expect(notes.first?.hasSuffix(": sampling.solvers.pc.steps 5 → 6, training.steps 60 → 20") == true, "\(notes)")
    }
  }

  @Test("files of solvers that a config no longer has go, and nobody else's") func staleSamples() throws {
    try withFolder { folder in
      _ = try makeExperiment(try plan(tiny, overrides: ["sampling.trajectories={rows: [0]}"]), folder: folder).run()
      #expect(names(folder + "/samples").contains("pc-strip.png"))
      try "mine".write(toFile: folder + "/samples/mine.png", atomically: true, encoding: .utf8)
      try "mine".write(toFile: folder + "/samples/pc.csv", atomically: true, encoding: .utf8)
      _ = try makeExperiment(
        try plan(tiny, overrides: ["sampling.solvers=[{name: em, kind: euler-maruyama, steps: 10}]"]), folder: folder
      ).run()
      #expect(names(folder + "/samples") == ["em.csv", "em.png", "mine.png", "pc.csv"])
      #expect(!names(folder).contains("trajectories.csv"))
      let found = try Verification(of: folder)
      #expect(
        found.problems == [
          "samples/mine.png: not written by this program", "samples/pc.csv: not written by this program",
        ])
    }
  }

  @Test("files that a killed run wrote are known to the next one, by the list in its lock") func journal() throws {
    try withFolder { folder in
      _ = try makeExperiment(try plan(tiny), folder: folder).run()
      try FileManager.default.removeItem(atPath: folder + "/manifest.json")
      try "old".write(toFile: folder + "/samples/old.csv", atomically: true, encoding: .utf8)
      try "outside".write(toFile: folder + "/keep.csv", atomically: true, encoding: .utf8)
      // A name that leads out of `samples` is none.
      try "1\nsamples/old.csv\nsamples/em.csv\nsamples/../keep.csv\n../keep.csv\n".write(
        toFile: folder + "/.lock", atomically: true, encoding: .utf8)
      _ = try makeExperiment(try plan(tiny), folder: folder).run()
      #expect(!names(folder + "/samples").contains("old.csv") && names(folder).contains("keep.csv"))
      #expect(!names(folder).contains(".lock"))
    }
  }

  @Test("verify names what is missing, changed and not of this program") func verification() throws {
    try withFolder { folder in
      _ = try makeExperiment(try plan(tiny), folder: folder + "/r", store: folder + "/models").run()
      let intact = try Verification(of: folder + "/r")
      #expect(intact.problems.isEmpty && intact.intact == 13, "\(intact)")
      // Stages by themselves keep the list whole.
      _ = try makeExperiment(try plan(tiny), folder: folder + "/r", store: folder + "/models").run([.evaluate])
      #expect(try Verification(of: folder + "/r") == intact)
      let file = folder + "/r/solvers.csv"
      try (contents(file) + " ").write(toFile: file, atomically: true, encoding: .utf8)
      try FileManager.default.removeItem(atPath: folder + "/r/samples/em.csv")
      try FileManager.default.removeItem(atPath: folder + "/r/samples/em.png")
      try FileManager.default.createSymbolicLink(
        atPath: folder + "/r/samples/em.png", withDestinationPath: folder + "/r/samples/pc.png")
      try "x".write(toFile: folder + "/r/notes.txt", atomically: true, encoding: .utf8)
      let found = try Verification(of: folder + "/r")
      #expect(
        found.problems == [
          "samples/em.csv: missing", "samples/em.png: changed: it is no file", "solvers.csv: changed",
          "notes.txt: not written by this program",
        ])
      #expect(throws: InputError.self) { try Verification(of: folder + "/models") }
    }
  }

  @Test("links in a results folder are replaced and never followed; a link in place of a folder is refused")
  func links() throws {
    try withFolder { folder in
      let experiment = makeExperiment(try plan(tiny), folder: folder + "/r", store: folder + "/models")
      try FileManager.default.createDirectory(atPath: folder + "/r", withIntermediateDirectories: true)
      for name in ["config.yaml", "manifest.json", "training.csv", "solvers.csv"] {
        try "important".write(toFile: folder + "/" + name, atomically: true, encoding: .utf8)
        try FileManager.default.createSymbolicLink(
          atPath: folder + "/r/" + name, withDestinationPath: folder + "/" + name)
      }
      // To nothing: an open file would be made there.
      try FileManager.default.createSymbolicLink(
        atPath: folder + "/r/checkpoint.safetensors", withDestinationPath: folder + "/new.safetensors")
      _ = try experiment.run()
      for name in ["config.yaml", "manifest.json", "training.csv", "solvers.csv"] {
        #expect(contents(folder + "/" + name) == "important", "\(name)")
      }
      #expect(!names(folder).contains("new.safetensors"))
      #expect(try Verification(of: folder + "/r").problems.isEmpty)
      try FileManager.default.removeItem(atPath: folder + "/r/samples")
      try FileManager.default.createDirectory(atPath: folder + "/elsewhere", withIntermediateDirectories: true)
      try FileManager.default.createSymbolicLink(
        atPath: folder + "/r/samples", withDestinationPath: folder + "/elsewhere")
      let error = #expect(throws: InputError.self) { try experiment.run() }
      #expect(error?.description.contains("is a link") == true)
      #expect(names(folder + "/elsewhere").isEmpty)
      try FileManager.default.createSymbolicLink(
        atPath: folder + "/linked-models", withDestinationPath: folder + "/elsewhere")
      #expect(throws: InputError.self) {
        try makeExperiment(try plan(tiny), folder: folder + "/s", store: folder + "/linked-models").run()
      }
      #expect(names(folder + "/elsewhere").isEmpty)
    }
  }

  @Test("a folder that another run writes is refused, with the number of its process") func inUse() throws {
    try withFolder { folder in
      let experiment = makeExperiment(try plan(tiny), folder: folder)
      let lock = try FileLock(folder + "/.lock", of: folder)
      let error = #expect(throws: InUseError.self) { try experiment.run() }
      #expect(error?.process == Int(getpid()))
      #expect(names(folder) == [".lock"])
      lock.release()
      _ = try experiment.run([.train])
      #expect(!names(folder).contains(".lock"))
    }
  }

  @Test("how often a training is kept is no part of what it is, nor of its bytes") func interval() throws {
    try withFolder { folder in
      let (usual, often) = (try plan(tiny), try plan(tiny, overrides: ["training.checkpoint={steps: 7}"]))
      #expect(usual.trainingIdentity == often.trainingIdentity && usual.resolved != often.resolved)
      #expect(often.resolved == (try plan(often.resolved)).resolved)
      _ = try makeExperiment(usual, folder: folder + "/a").run([.train])
      _ = try makeExperiment(often, folder: folder + "/b").run([.train])
      let files = ["a", "b"].map { FileManager.default.contents(atPath: "\(folder)/\($0)/checkpoint.safetensors") }
      #expect(files[0] != nil && files[0] == files[1])
      for wrong in ["{steps: 0}", "{steps: 1.5}", "{seconds: 0}", "{minutes: 1}", "5"] {
        #expect(throws: InputError.self) { try plan(tiny, overrides: ["training.checkpoint=\(wrong)"]) }
      }
    }
  }

  @Test("the manifest says what made the results, with the versions of Package.resolved") func provenance() throws {
    try withFolder { folder in
      let tinyPlan = try plan(tiny)
      _ = try makeExperiment(tinyPlan, folder: folder, threads: 1).run()
      let manifest = try manifest(folder)
      let resolved = contents(repository.appendingPathComponent("Package.resolved").path)
      let pins = (try JSONSerialization.jsonObject(with: Data(resolved.utf8)) as? [String: Any])?["pins"]
      let dependencies = try #require(manifest["dependencies"] as? [String: String])
      for pin in try #require(pins as? [[String: Any]]) {
        let name = try #require(pin["identity"] as? String)
        #expect((pin["state"] as? [String: Any])?["version"] as? String == dependencies[name], "\(name)")
      }
      for name in ["cairo", "gsl", "libpng", "zlib"] { #expect(dependencies[name]?.isEmpty == false, "\(name)") }
      #expect(manifest["config_hash"] as? String == SHA256.text(of: tinyPlan.resolved))
      #expect(manifest["config_hash"] as? String == SHA256.text(ofFile: folder + "/config.yaml"))
      let keys = "commit data_hash kernels gsl processor_features threads peak_memory_mib seconds".split(separator: " ")
      for key in keys { #expect(manifest[String(key)] != nil, "\(key)") }
    }
  }
}
