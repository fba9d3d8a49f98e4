// SPDX-License-Identifier: GPL-3.0-or-later
import Datasets
import Experiments
import Foundation
import Testing

@Suite("Held-out rows in a results folder") struct HeldOutFileTests {
  private func rows(_ path: String) throws -> [[Double]] {
    contents(path).split(separator: "\n").dropFirst().map { $0.split(separator: ",").compactMap { Double($0) } }
  }

  @Test("as many as a solver draws, spread over all, and listed in the manifest") func spread() throws {
    try withFolder { folder in
      let plan = try plan(tiny, overrides: ["training.steps=1"])
      _ = try makeExperiment(plan, folder: folder).run([.train, .sample])
      // 40 samples, 200 held-out rows: every fifth.
      let all = try plan.data.load(seed: plan.seed).heldOut
      #expect(try rows(folder + "/held_out.csv") == (0..<40).map { Array(all.row($0 * 5)) })
      #expect(contents(folder + "/manifest.json").contains("\"held_out.csv\""))
    }
  }

  @Test("all where there are fewer than samples, in the samples' format, and none without data") func formats() throws {
    try withFolder { folder in
      let quick = ["training.steps=1", "sampling.count=250"]
      _ = try makeExperiment(try plan(tiny, overrides: quick), folder: folder).run([.train, .sample])
      #expect(try rows(folder + "/held_out.csv").count == 200)
      let numbers = quick + ["sampling.format=npy"]
      _ = try makeExperiment(try plan(tiny, overrides: numbers), folder: folder).run([.sample])
      let names = try FileManager.default.contentsOfDirectory(atPath: folder)
      #expect(names.contains("held_out.npy") && !names.contains("held_out.csv"))
      let size = try FileManager.default.attributesOfItem(atPath: folder + "/held_out.npy")[.size] as? Int
      #expect(size == 128 + 200 * 2 * 8)
    }
  }
}
