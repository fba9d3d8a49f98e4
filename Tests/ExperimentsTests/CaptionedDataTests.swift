// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Experiments
import Foundation
import Testing

@Suite("Data with captions") struct CaptionedDataTests {
  private static func scenes(_ more: String = "") -> String {
    tiny.replacing(
      "{kind: two-moons, count: 500, held_out: 200}", with: "{kind: scenes, count: 30, held_out: 8\(more)}")
  }

  @Test("scenes that were written are read again as captioned images, byte for byte") func roundTrip() throws {
    try withFolder { folder in
      let whole = try plan(Self.scenes())
      let (there, held) = (folder + "/training", folder + "/held-out")
      #expect(try DataExport(part: .training).write(whole, to: there).contains("30 training rows"))
      _ = try DataExport(part: .heldOut).write(whole, to: held)
      #expect(contents(held + "/captions.csv").hasPrefix("file,caption,combination\n00000.png,"))
      let lines = contents(held + "/captions.csv").split(separator: "\n").dropFirst()
      #expect(lines.map { $0.hasSuffix(",seen") } == (0..<8).map { $0 % 2 == 0 })
      let read = try plan(
        tiny.replacing(
          "{kind: two-moons, count: 500, held_out: 200}",
          with: "{kind: captioned-images, path: \(there), held_out: {path: \(held)}}"))
      let (one, two) = (try whole.data.load(seed: whole.seed), try read.data.load(seed: 9))
      #expect(two.training == one.training && two.heldOut == one.heldOut)
      #expect(two.trainingConditions == one.trainingConditions && two.heldOutConditions == one.heldOutConditions)
      #expect(read.data.notes.isEmpty)

      // As one table, and of some rows.
      _ = try DataExport(part: .heldOut, format: .npy, count: 3).write(whole, to: folder + "/table")
      #expect(try NumericTable(reading: folder + "/table/rows.npy").values == one.heldOutRows.prefix(3))
      #expect(contents(folder + "/table/captions.csv").split(separator: "\n").count == 4)
      // Nothing is kept back: nothing is said of combinations.
      _ = try DataExport(part: .heldOut).write(try plan(Self.scenes(", keep_back: false")), to: folder + "/all")
      #expect(contents(folder + "/all/captions.csv").hasPrefix("file,caption\n"))
    }
  }

  @Test("rows of other data are written with what is known of them") func others() throws {
    try withFolder { folder in
      let digits = try plan(tiny.replacing("{kind: two-moons, count: 500, held_out: 200}", with: "{kind: digits}"))
      _ = try DataExport(part: .heldOut, count: 2).write(digits, to: folder + "/digits")
      #expect(contents(folder + "/digits/conditions.csv") == "file,class\n00000.png,5\n00001.png,1\n")
      let row = try digits.data.load(seed: 1).heldOutRows.row(0)
      let image = try ImageFile(folder + "/digits/00000.png").row(of: ImageShape(height: 8, width: 8, channels: 1))
      // Levels of a sixteenth, rounded to bytes.
      #expect(zip(row, image).allSatisfy { abs($0 - $1) <= 0.5 / 127.5 + 1e-12 })
      let moons = try plan(tiny)
      _ = try DataExport(part: .training, count: 5).write(moons, to: folder + "/moons")
      let written = try NumericTable(reading: folder + "/moons/rows.csv").values
      #expect(written == (try moons.data.load(seed: moons.seed).trainingRows.prefix(5)))
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder + "/moons") == ["rows.csv"])
    }
  }

  @Test("what cannot be written is refused") func refused() throws {
    try withFolder { folder in
      let moons = try plan(tiny)
      for (export, place, says) in [
        (DataExport(part: .training, format: .png), folder + "/a", "png is for images"),
        (DataExport(part: .heldOut, count: 201), folder + "/a", "is 201; there are 200 held-out rows"),
        (DataExport(part: .heldOut), folder, "is not empty"),
      ] {
        try Data().write(to: URL(fileURLWithPath: folder + "/b"))
        let error = #expect(throws: InputError.self) { try export.write(moons, to: place) }
        #expect(error?.description.contains(says) == true, "\(String(describing: error))")
        #expect(!FileManager.default.fileExists(atPath: folder + "/a"))
      }
    }
  }

  @Test("samples have the conditions of rows") func rows() throws {
    try withFolder { folder in
      let text = tiny.replacing("{kind: two-moons, count: 500, held_out: 200}", with: "{kind: digits}")
        .replacing("features: 8}", with: "features: 8, class_conditional: true}")
      let set = ["sampling.solvers=[{name: em, kind: euler-maruyama, steps: 3}]", "training.steps=2"]
      func samples(_ condition: String, count: Int) throws -> Batch {
        let whole = try plan(text, overrides: set + ["sampling.condition=\(condition)", "sampling.count=\(count)"])
        #expect(try plan(whole.resolved).resolved == whole.resolved)
        let place = folder + "/\(UUID())"
        _ = try makeExperiment(whole, folder: place, store: folder + "/models").run([.train, .sample])
        return try NumericTable(reading: place + "/samples/em.csv").values
      }
      let labels = try Digits().load(seed: 3).heldOutConditions.listedClasses ?? []
      let file = folder + "/classes.csv"
      // More samples than rows: these come again.
      try Data((0..<310).map { "\(labels[$0 % 299])\n" }.joined().utf8).write(to: URL(fileURLWithPath: file))
      #expect(try samples("{rows: held-out}", count: 310) == samples("{csv: \(file)}", count: 310))
      #expect(try samples("{rows: training}", count: 20) != samples("{rows: held-out}", count: 20))

      let blind = #expect(throws: InputError.self) {
        try plan(tiny, overrides: ["sampling.condition={rows: held-out}"])
      }
      #expect(blind?.message.contains("the network knows no conditions") == true)
      let unknown = #expect(throws: InputError.self) { try plan(text, overrides: ["sampling.condition={rows: all}"]) }
      #expect(unknown?.message.contains("held-out, training") == true)
    }
  }
}
