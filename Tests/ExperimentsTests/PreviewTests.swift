// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Experiments
import Foundation
import Testing

@Suite("Pictures and events of a training") struct PreviewTests {
  private static let preview = "training.preview={steps: 20, count: 32, solver: {kind: ddim, steps: 4}}"

  private func files(_ folder: String, _ name: String = "previews") -> [String: Data] {
    let path = "\(folder)/\(name)"
    let names = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
    return Dictionary(
      uniqueKeysWithValues: names.map { ($0, FileManager.default.contents(atPath: "\(path)/\($0)") ?? Data()) })
  }

  @Test("change nothing of what is trained, and are the same bytes for any number of threads") func bytes() throws {
    try withFolder { folder in
      // Samples of a network that has learned little stay near the data by this convention.
      let edm = ["score.prediction=edm"]
      let usual = try plan(tiny, overrides: edm)
      let watched = try plan(tiny, overrides: edm + [Self.preview, "log=[csv, tensorboard]"])
      #expect(usual.trainingIdentity == watched.trainingIdentity && usual.resolved != watched.resolved)
      #expect(try plan(watched.resolved).resolved == watched.resolved)
      _ = try makeExperiment(usual, folder: folder + "/a").run([.train])
      for threads in [1, 3] {
        let place = "\(folder)/\(threads)"
        _ = try makeExperiment(watched, folder: place, threads: threads).run([.train])
        #expect(files(place).keys.sorted() == ["000020.png", "000040.png", "000060.png"])
        #expect(files(place) == files(folder + "/1"))
        #expect(
          FileManager.default.contents(atPath: place + "/checkpoint.safetensors")
            == FileManager.default.contents(atPath: folder + "/a/checkpoint.safetensors"))
        #expect(try Verification(of: place).problems.isEmpty)
        #expect(contents(place + "/manifest.json").contains("previews/000020.png"))
        #expect(contents(place + "/manifest.json").contains("tensorboard/events.out.tfevents.score-sde"))
      }
      // Networks change from picture to picture; their noise does not.
      #expect(Set(files(folder + "/1").values).count == 3)
      for png in files(folder + "/1").values { #expect(png.prefix(4) == Data([0x89, 0x50, 0x4E, 0x47])) }
    }
  }

  @Test("a longer training that goes on keeps its pictures; another training's, and those not asked for, go")
  func changes() throws {
    try withFolder { folder in
      func run(_ overrides: [String], constant: Bool = true) throws {
        let plan = try plan(tiny, overrides: overrides + (constant ? ["training.decay=constant"] : []))
        _ = try makeExperiment(plan, folder: folder + "/r", store: folder + "/models").run([.train])
      }
      func names() -> [String] { files(folder + "/r").keys.sorted() }
      try run([Self.preview])
      let first = files(folder + "/r")
      try run([Self.preview, "training.steps=90"])
      #expect(names() == ["000020.png", "000040.png", "000060.png", "000080.png", "000090.png"])
      #expect(first.allSatisfy { files(folder + "/r")[$0.key] == $0.value })
      // A network that was trained before can draw its last picture alone, and says so.
      try run([Self.preview, "training.steps=90", "training.preview.solver.steps=3"])
      #expect(names() == ["000090.png"])
      #expect(contents(folder + "/r/manifest.json").contains("only that of the last step can be drawn"))
      try run([Self.preview, "seed=4"])
      #expect(names() == ["000020.png", "000040.png", "000060.png"])
      #expect(first.allSatisfy { files(folder + "/r")[$0.key] != $0.value })
      try "mine".write(toFile: folder + "/r/previews/mine.png", atomically: true, encoding: .utf8)
      try run(["seed=4"])
      #expect(names() == ["mine.png"])
      try FileManager.default.removeItem(atPath: folder + "/r/previews/mine.png")
      try run(["seed=4"])
      #expect(!FileManager.default.fileExists(atPath: folder + "/r/previews"))
      #expect(try Verification(of: folder + "/r").problems.isEmpty)
    }
  }

  @Test("a number of steps alone is a preview; images, classes and processes without a kernel are drawn")
  func kinds() throws {
    let short = try plan(tiny, overrides: ["training.preview=500"])
    #expect(short.model.preview?.steps == 500 && short.model.preview?.count == 1000)
    #expect(short.resolved.contains("  preview:\n    steps: 500\n    count: 1000\n    solver: auto\n"))
    try withFolder { folder in
      let digits = [
        "data={kind: digits}", "score.network={kind: mlp, hidden: [8], features: 4, class_conditional: true}",
        "training={steps: 2, batch: 8, preview: 1}", "coordinates=[standardise]",
      ]
      let wide = [
        "process={kind: cld}", "score.prediction=edm", "training={steps: 2, batch: 8, weighting: edm, preview: 1}",
        "sampling.solvers=[{name: em, kind: euler-maruyama, steps: 10}]",
      ]
      for (name, overrides) in [("digits", digits), ("cld", wide)] {
        _ = try makeExperiment(try plan(tiny, overrides: overrides), folder: "\(folder)/\(name)").run([.train])
        #expect(files("\(folder)/\(name)").keys.sorted() == ["000001.png", "000002.png"], "\(name)")
      }
    }
  }

  @Test(
    "what cannot be drawn or has no effect is refused with its place",
    arguments: [
      (["training.preview={steps: 0}"], "training.preview.steps"),
      (["training.preview={}"], "training.preview"), (["training.preview=often"], "training.preview.steps"),
      (
        ["training.preview={steps: 5, sovler: auto}"],
        "training.preview.sovler: unknown key; did you mean 'solver'? allowed: steps, count, solver"
      ),
      (["training.preview={steps: 5, solver: {kind: ddim}}"], "training.preview.solver"),
      (["training.preview={steps: 5, solver: {kind: probability-flow, integrator: msbdf}}"], "preview.solver"),
      (["log=[tensorboard]"], "allowed: [csv]"), (["log=[csv, tensorbord]"], "did you mean 'tensorboard'?"),
      (["log=tensorboard"], "log"),
    ])
  func refused(overrides: [String], says: String) {
    let error = #expect(throws: InputError.self) { try plan(tiny, overrides: overrides) }
    let message = error?.description ?? ""
    #expect(message.contains(says) && !message.contains("\n"), "\(message)")
  }

  @Test("tensorboard without a training is refused") func withoutTraining() throws {
    let text = tiny.replacing("training: {steps: 60, batch: 64}\n", with: "").replacing(
      "{kind: network, network: {kind: mlp, hidden: [16, 16], features: 8}}", with: "{kind: empirical}")
    let error = #expect(throws: InputError.self) { try plan(text, overrides: ["log=[csv, tensorboard]"]) }
    #expect(error?.message == "tensorboard has no effect; it needs training")
    _ = try plan(text, overrides: ["log=[csv]"])
  }

  @Test("conditions for fewer samples than a picture has are refused before anything is written") func conditions()
    throws
  {
    try withFolder { folder in
      try "class\n1\n2\n".write(toFile: folder + "/c.csv", atomically: true, encoding: .utf8)
      let plan = try plan(
        tiny,
        overrides: [
          "data={kind: digits}", "score.network={kind: mlp, hidden: [8], features: 4, class_conditional: true}",
          "sampling.condition={csv: \(folder)/c.csv}", "sampling.count=2", "training.preview=10",
        ])
      let error = #expect(throws: InputError.self) { try makeExperiment(plan, folder: folder + "/r").run() }
      #expect(error?.message.contains("2 conditions for 64 samples (for the pictures of training.preview)") == true)
      #expect(!FileManager.default.fileExists(atPath: folder + "/r"))
    }
  }

  /// A solver that may not take the steps that it needs.
  @Test("a picture that cannot be drawn is a note, and the training goes on") func failing() throws {
    try withFolder { folder in
      let plan = try plan(
        tiny,
        overrides: [
          "training.preview={steps: 30, solver: {kind: probability-flow, rtol: 1e-12, atol: 1e-12, max_steps: 2}}"
        ])
      _ = try makeExperiment(plan, folder: folder).run([.train])
      let manifest = contents(folder + "/manifest.json")
      #expect(manifest.contains("no picture of step 30: ") && manifest.contains("no picture of step 60: "))
      #expect(files(folder).isEmpty && FileManager.default.fileExists(atPath: folder + "/checkpoint.safetensors"))
    }
  }
}
