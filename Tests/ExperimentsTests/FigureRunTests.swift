// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Experiments
import Foundation
import Pairs
import Plots
import Scores
import Testing

@Suite("Figures of samples") struct FigureRunTests {
  private func draws(_ count: Int, _ dimension: Int, seed: UInt64) -> Batch {
    NoiseStream(seed: seed, purpose: .data).normals(count: count, dimension: dimension, step: 0)
  }

  private func expectFree(_ figure: Figure, _ name: String) throws {
    let texts = try figure.texts()
    for (index, text) in texts.enumerated() {
      for other in texts[..<index] { #expect(!text.overlaps(other), "\(name): \(text) and \(other)") }
      #expect(
        text.left >= 0 && text.right <= 72 * figure.width && text.bottom <= 72 * figure.height, "\(name): \(text)")
    }
  }

  @Test("columns have the names that the table has, and texts do not touch", arguments: [1, 2, 3, 5, 8, 11])
  func names(width: Int) throws {
    let names = (0..<width).map { "sepal length of kind \($0)" }
    let (data, samples) = (draws(400, width, seed: 1), draws(500, width, seed: 2))
    let figure = try PointFigure(heldOut: data, columns: names, law: nil, samples: samples).figure(
      samples, solver: "em")
    let texts = try figure.texts().map(\.text)
    for name in names.prefix(8) {
      // Narrow panels cut long names.
      let isThere = texts.contains { $0 == name || $0.hasSuffix("…") && name.hasPrefix($0.dropLast()) }
      #expect(isThere, "\(name): \(texts)")
    }
    #expect(!texts.contains(names.count > 8 ? names[8] : "x0"))
    #expect(texts[0].hasPrefix("em: 500 samples") && texts[0].contains("first 8 of 11") == (width > 8))
    try expectFree(figure, "\(width) columns")
    let n = min(width, 8)
    #expect(figure.panels.count == (n < 3 ? 1 : n) && figure.panels[0].count == (n < 3 ? n : n))
    // Both are in every panel of the diagonal.
    for i in 0..<n where n >= 3 || n == 1 {
      let bars = (figure.panels[n == 1 ? 0 : i][i]?.series ?? []).compactMap { series -> Histogram? in
        if case .histogram(let histogram) = series.mark { histogram } else { nil }
      }
      #expect(bars.count == 2)
      for (histogram, batch) in pairs(bars, [data, samples]) {
        let inside = (0..<batch.count).count {
          batch[$0, i] >= histogram.edges[0] && batch[$0, i] <= histogram.edges.last!
        }
        let area = histogram.heights.reduce(0, +) * (histogram.edges[1] - histogram.edges[0])
        #expect(abs(area - Double(inside) / Double(batch.count)) < 1e-9)
      }
    }
  }

  @Test("without a header columns are x0, x1, …; without data there are the samples alone") func alone() throws {
    let samples = draws(50, 2, seed: 1)
    let nothing = Batch(count: 0, dimension: 2)
    let figure = try PointFigure(heldOut: nothing, columns: nil, law: nil, samples: samples).figure(
      samples, solver: "em")
    let texts = try figure.texts().map(\.text)
    #expect(figure.panels[0].count == 1 && texts.contains("x0") && texts.contains("x1"))
    for (data, rows) in [(nothing, Batch(count: 0, dimension: 2)), (samples, Batch(count: 0, dimension: 2))] {
      _ = try PointFigure(heldOut: data, columns: nil, law: nil, samples: rows).figure(rows, solver: "em").png()
    }
    var broken = samples
    for i in broken.values.indices { broken.values[i] = [.nan, .infinity, -1e308, 1e308, 0][i % 5] }
    for width in [1, 2, 5] {
      let rows = Batch(values: broken.values, dimension: width)
      let data = Batch(values: samples.values, dimension: width)
      for heldOut in [data, rows] {
        let figure = try PointFigure(heldOut: heldOut, columns: nil, law: nil, samples: rows).figure(rows, solver: "em")
        #expect(try figure.texts()[0].text.contains("outside of the axes") && !figure.png().isEmpty)
      }
    }
  }

  @Test("more points than are drawn one by one become a density of all of them") func density() throws {
    let (data, samples) = (draws(5000, 2, seed: 1), draws(20_000, 2, seed: 2))
    let figure = try PointFigure(heldOut: data, columns: nil, law: nil, samples: samples).figure(samples, solver: "em")
    for axes in figure.panels[0] {
      let marks = axes?.series.map(\.mark) ?? []
      if case .image = try #require(marks.first) {} else { Issue.record("no density") }
      #expect(marks.count == 3)
    }
    #expect(figure.legend.map(\.label) == ["densest 50 % of the data", "densest 90 % of the data"])
    // The median of a normal law's radius is √(2 ln 2); smoothing widens it by up to an eighth.
    guard case .lines(let lines) = figure.panels[0][1]?.series[1].mark else { return }
    let radii = lines.joined().map { ($0.x * $0.x + $0.y * $0.y).squareRoot() }
    let mean = radii.reduce(0, +) / Double(radii.count)
    #expect(mean > 1.1 && mean < 1.1774 * 1.125, "\(mean)")
  }

  @Test("the exact density is that of the law, of exponentials too") func exact() throws {
    let mixture = try GaussianMixture(weights: [1, 3], means: [[-1], [2]], deviations: [0.5, 1])
    func normal(_ x: Double) -> Double {
      (0.25 * exp(-pow((x + 1) / 0.5, 2) / 2) / 0.5 + 0.75 * exp(-pow(x - 2, 2) / 2)) / (2 * Double.pi).squareRoot()
    }
    let points = [-2, -1, 0, 0.3, 2.5]
    let found = try DataLaw(mixture).densities(Batch(values: points, dimension: 1))
    for (x, p) in pairs(points, found) { #expect(abs(p - normal(x)) < 1e-12) }
    let exponential = try DataLaw(mixture, isExponential: true).densities(Batch(values: [-1, 0, 0.5, 3], dimension: 1))
    for (x, p) in pairs([-1, 0, 0.5, 3.0], exponential) {
      #expect(abs(p - (x > 0 ? normal(log(x)) / x : 0)) < 1e-12, "\(x)")
    }
    let samples = draws(300, 1, seed: 3)
    let figure = try PointFigure(heldOut: samples, columns: nil, law: DataLaw(mixture), samples: samples)
      .figure(samples, solver: "em")
    guard case .line(let x, let y) = try #require(figure.panels[0][0]?.series.last).mark else { return }
    for (x, y) in pairs(x, y) { #expect(abs(y - normal(x)) < 1e-12) }
  }

  // MARK: In runs

  private static let followed = tiny.replacing(
    "count: 40", with: "count: 40\n  trajectories: {first: 3}\n  field: [0.1, 1]\n  figures: [png, svg, pdf]")

  @Test("figures are written in the formats that are asked for, and go with them") func formats() throws {
    try withFolder { folder in
      func names() throws -> Set<String> {
        let all = try FileManager.default.subpathsOfDirectory(atPath: folder + "/r")
        return Set(all.filter { name in ["png", "svg", "pdf"].contains { name.hasSuffix($0) } })
      }
      let solvers = ["em", "pc", "ode"]
      func files(_ formats: [String], _ endings: [String]) -> Set<String> {
        Set(solvers.flatMap { s in endings.flatMap { e in formats.map { "samples/\(s)\(e).\($0)" } } })
      }
      let strips = files(["png"], ["-strip", "-animation"])
      _ = try makeExperiment(plan(Self.followed), folder: folder + "/r", store: folder + "/m").run()
      let all = ["png", "svg", "pdf"]
      #expect(try names() == files(all, ["", "-trajectories"]).union(strips).union(all.map { "field.\($0)" }))
      #expect(try Verification(of: folder + "/r").problems.isEmpty)
      // The same again, with other threads: the same bytes.
      let before = try names().sorted().map { FileManager.default.contents(atPath: "\(folder)/r/\($0)") }
      _ = try makeExperiment(plan(Self.followed), folder: folder + "/r", store: folder + "/m", threads: 1).run()
      #expect(try names().sorted().map { FileManager.default.contents(atPath: "\(folder)/r/\($0)") } == before)
      _ = try makeExperiment(
        plan(Self.followed, overrides: ["sampling.figures=[svg]", "sampling.field=[0.5]"]), folder: folder + "/r",
        store: folder + "/m"
      ).run()
      #expect(try names() == files(["svg"], ["", "-trajectories"]).union(strips).union(["field.svg"]))
      _ = try makeExperiment(plan(tiny), folder: folder + "/r", store: folder + "/m").run()
      #expect(try names() == files(["png"], [""]))
      _ = try makeExperiment(
        plan(tiny, overrides: ["sampling.figures=[]"]), folder: folder + "/r", store: folder + "/m"
      ).run()
      #expect(try names().isEmpty)
      #expect(try Verification(of: folder + "/r").problems.isEmpty)
    }
  }

  @Test(
    "a field that nobody can draw is refused",
    arguments: [
      (["sampling.field=[0]"], "above 0"), (["sampling.field=[1.5]"], "at most 1"), (["sampling.field=[]"], "list"),
      (["sampling.field=[0.1,0.1,0.1,0.1,0.1,0.1,0.1,0.1,0.1,0.1,0.1,0.1,0.1]"], "at most 12"),
      (["sampling.field=[0.5]", "data={kind: digits}"], "2 values"),
      (["sampling.field=[0.5]", "process={kind: cld}"], "2 values"), (["sampling.figures=[jpg]"], "pdf"),
    ]) func refused(changes: [String], says: String)
  {
    let error = #expect(throws: InputError.self) { try plan(tiny, overrides: changes) }
    #expect(error?.description.contains(says) == true, "\(error?.description ?? "")")
  }

  @Test("a conditional network's field is that of the first sample's condition") func conditional() throws {
    try withFolder { folder in
      let rows = (0..<60).map { "\(Double($0 % 7) / 7),\(Double($0 % 5) / 5),\($0 % 3)" }
      try Data((["width,height,kind"] + rows).joined(separator: "\n").utf8).write(
        to: URL(fileURLWithPath: "\(folder)/d.csv"))
      let text = tiny.replacing(
        "{kind: two-moons, count: 500, held_out: 200}", with: "{kind: csv, path: d.csv, label: kind}"
      ).replacing("features: 8}}", with: "features: 8, class_conditional: true}}")
      let plan = try plan(text, overrides: ["sampling.field=[0.1]"], path: folder + "/c.yaml")
      #expect(plan.data.columnNames == ["width", "height"])
      _ = try makeExperiment(plan, folder: folder + "/r").run()
      #expect(FileManager.default.fileExists(atPath: folder + "/r/field.png"))
    }
  }
}
