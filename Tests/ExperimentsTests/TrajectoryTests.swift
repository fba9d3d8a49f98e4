import CZlib
// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Experiments
import Foundation
import Processes
import Solvers
import Synchronization
import Testing

@Suite("Trajectories") struct TrajectoryTests {
  private static let text = """
    name: followed
    seed: 3
    data: {kind: gaussian-mixture, weights: [1, 2], means: [[-1, 0], [1, 1]], deviations: [0.3, 0.5], count: 50, held_out: 100}
    process: {kind: vp}
    score: {kind: exact}
    sampling:
      count: 300
      trajectories: {rows: [270, 2], every: 4}
      solvers:
        - {name: em, kind: euler-maruyama, steps: 10}
        - {name: flow, kind: probability-flow, integrator: bsimp, dense: 12, denoise: false}
    evaluation: {metrics: [energy-distance]}
    """

  private func run(_ text: String, _ folder: String, threads: Int = 2, overrides: [String] = []) throws {
    _ = try makeExperiment(try plan(text, overrides: overrides), folder: folder, threads: threads, quiet: true).run()
  }

  @Test("the table has the chosen rows from the prior's draw to the sample, for any number of threads") func table()
    throws
  {
    try withFolder { folder in
      try run(Self.text, folder + "/a", threads: 1)
      try run(Self.text, folder + "/b", threads: 3)
      let csv = contents(folder + "/a/trajectories.csv")
      #expect(csv == contents(folder + "/b/trajectories.csv"))
      let rows = csv.split(separator: "\n").map { $0.split(separator: ",").map(String.init) }
      #expect(rows[0] == ["solver", "row", "step", "time", "x0", "x1"])
      // Steps 0, 4 and 8 of ten, and the denoised end, which is number 11; both rows in order.
      let em = rows.filter { $0[0] == "em" }
      #expect(em.map { $0[1] } == ["2", "2", "2", "2", "270", "270", "270", "270"])
      #expect(em.prefix(4).map { $0[2] } == ["0", "4", "8", "11"])
      #expect(em[0][3] == "1.0" && em[3][3] == "0.001")
      let samples = contents(folder + "/a/samples/em.csv").split(separator: "\n")
      #expect(samples[3] == em[3][4] + "," + em[3][5] && samples[271] == em[7][4] + "," + em[7][5])
      // The dense flow: 12 intervals of time, every fourth, and its last is the sample.
      let flow = rows.filter { $0[0] == "flow" && $0[1] == "270" }
      #expect(flow.map { $0[2] } == ["0", "4", "8", "12"])
      #expect(abs(try #require(Double(flow[1][3])) - (1 - 0.999 / 3)) < 1e-12)
      #expect(contents(folder + "/a/samples/flow.csv").split(separator: "\n")[271] == flow[3][4] + "," + flow[3][5])
    }
  }

  @Test("following rows changes no sample, and what is no longer asked for goes") func unchanged() throws {
    try withFolder { folder in
      try run(Self.text, folder + "/a")
      let pictures = ["em-strip.png", "em-animation.png"].map { folder + "/a/samples/" + $0 }
      #expect(pictures.allSatisfy { FileManager.default.fileExists(atPath: $0) })
      let samples = contents(folder + "/a/samples/em.csv")
      let without = Self.text.replacing("  trajectories: {rows: [270, 2], every: 4}\n", with: "")
        .replacing(", dense: 12", with: "")
      try run(without, folder + "/a")
      #expect(contents(folder + "/a/samples/em.csv") == samples)
      #expect(!FileManager.default.fileExists(atPath: folder + "/a/trajectories.csv"))
      #expect(pictures.allSatisfy { !FileManager.default.fileExists(atPath: $0) })
    }
  }

  @Test("the animation is a PNG whose chunks are whole, in order and counted") func animation() throws {
    try withFolder { folder in
      try run(Self.text, folder, overrides: ["sampling.trajectories.every=1"])
      let png = try #require(FileManager.default.contents(atPath: folder + "/samples/em-animation.png"))
      var place = 8
      var chunks: [(name: String, body: Data)] = []
      while place < png.count {
        let length = png[place..<place + 4].reduce(0) { $0 << 8 | Int($1) }
        let content = Data(png[place + 4..<place + 8 + length])
        let sum = content.withUnsafeBytes { crc32(0, $0.bindMemory(to: UInt8.self).baseAddress, UInt32($0.count)) }
        #expect(png[place + 8 + length..<place + 12 + length].reduce(0) { $0 << 8 | UInt($1) } == sum)
        chunks.append((String(decoding: content.prefix(4), as: UTF8.self), Data(content.dropFirst(4))))
        place += 12 + length
      }
      #expect(place == png.count && chunks.first?.name == "IHDR" && chunks.last?.name == "IEND")
      func number(_ data: Data) -> Int { data.prefix(4).reduce(0) { $0 << 8 | Int($1) } }
      // Eleven states and the denoised one.
      #expect(chunks.filter { $0.name == "acTL" }.map { number($0.body) } == [12])
      #expect(chunks.filter { $0.name == "fcTL" }.count == 12 && chunks.contains { $0.name == "IDAT" })
      let sequence = chunks.filter { $0.name == "fcTL" || $0.name == "fdAT" }.map { number($0.body) }
      #expect(sequence == Array(0..<sequence.count))
      // Delays in milliseconds: the last picture stays.
      let delays = chunks.filter { $0.name == "fcTL" }.map { number($0.body.dropFirst(20)) }
      #expect(delays == Array(repeating: 80 << 16 | 1000, count: 11) + [1500 << 16 | 1000])
    }
  }

  @Test("images get a film strip, and above 256 columns their states in a file of their own") func images() throws {
    try withFolder { folder in
      // 32 points of 300 values.
      let lines = (0..<32).map { i in (0..<300).map { j in "\((i * 7 + j * 3) % 5)" }.joined(separator: ",") }
      let header = (0..<300).map { "x\($0)" }.joined(separator: ",")
      try ([header] + lines).joined(separator: "\n").write(
        toFile: folder + "/points.csv", atomically: true, encoding: .utf8)
      let wide = """
        name: wide
        data: {kind: csv, path: \(folder)/points.csv, shape: [10, 10, 3], range: [0, 4]}
        process: {kind: ve, sigma_max: 10}
        score: {kind: empirical}
        sampling: {count: 5, trajectories: {first: 3}, solvers: [{name: em, kind: euler-maruyama, steps: 6}]}
        evaluation: {metrics: [energy-distance]}
        """
      try run(wide, folder + "/run")
      #expect(contents(folder + "/run/trajectories.csv").hasPrefix("solver,row,step,time\nem,0,0,1.0\n"))
      let npy = try #require(FileManager.default.contents(atPath: folder + "/run/samples/em-trajectories.npy"))
      #expect(String(decoding: npy.prefix(128), as: UTF8.self).contains("(\(3 * 8), 300)"))
      #expect(FileManager.default.fileExists(atPath: folder + "/run/samples/em-strip.png"))
    }
  }

  static let wrong: [(section: String, says: String)] = [
    ("{rows: [300]}", "holds 300; allowed: whole numbers from 0, below count, which is 300"),
    ("{rows: [-1]}", "holds -1"), ("{rows: [0.5]}", "holds 0.5"), ("{rows: [1, 1]}", "names a row twice"),
    ("{rows: [1], first: 3}", "has no effect; it needs rows: first"), ("{first: 0}", "1 or more"),
    ("{every: 0}", "1 or more"),
    ("{row: [1]}", "did you mean 'rows'?"),
  ]

  @Test("rows that cannot be followed are refused in one line", arguments: wrong)
  func refused(section: String, says: String) throws {
    let error = #expect(throws: InputError.self) {
      try plan(Self.text.replacing("{rows: [270, 2], every: 4}", with: section))
    }
    #expect(error?.description.contains(says) == true, "\(String(describing: error))")
  }
}
