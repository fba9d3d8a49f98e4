// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import Plots
import Testing

@Suite("Figures") struct FigureTests {
  /// Figures with all marks, long and strange texts, huge and tiny numbers, and few and many panels.
  static func gallery() -> [(name: String, figure: Figure)] {
    let t = (0..<200).map { Double($0) / 20 }
    var marks = Axes(title: "everything", xLabel: "time t", yLabel: "value of the quantity")
    marks.series = [
      Series(.band(x: t, low: t.map { sin($0) - 0.3 }, high: t.map { sin($0) + 0.3 }), .number(0), label: "95 %"),
      Series(.line(x: t, y: t.map(sin)), .number(0), label: "a line"),
      Series(.line(x: t, y: t.map { $0 == 5 ? .nan : cos($0) }), .number(1), label: "a broken line"),
      Series(.points(x: t, y: t.map { sin($0) * cos($0) }), .number(2), label: "points"),
      Series(.errorBars(x: [1, 2, 3], low: [-2, -1, 0], high: [-1, 0, 2]), .number(3), label: "intervals"),
      Series(
        .arrows(from: [.init(4, -1.5), .init(6, -1.5)], by: [.init(1, 0.5), .init(0, 0.5)]), .number(6), label: "arrows"
      ),
    ]
    var bars = Axes(
      title: "a histogram of a name that is far too long for its panel, so that it ends early", xLabel: "x0",
      yLabel: "density")
    bars.series = [
      Series(
        .histogram(Histogram(t.map { $0 * $0 }, in: 0...100, bins: 20)),
        Style(.gray, fill: 0.4), label: "data"),
      Series(.histogram(Histogram(t.map { $0 * 10 }, in: 0...100, bins: 20)), Style(.blue), label: "samples"),
    ]
    var logs = Axes(title: "NFE", xLabel: "evaluations", yLabel: "error")
    (logs.xKind, logs.yKind) = (.logarithmic, .logarithmic)
    for n in 0..<7 {
      logs.series.append(
        Series(
          .line(x: [10, 100, 1000], y: [1, 0.1, 0.01].map { $0 * Double(n + 1) }),
          Style.number(n), label: "solver number \(n)"))
    }
    let grid = DensityGrid(x: -3...3, y: -2...2, columns: 90, rows: 60) { exp(-$0 * $0 - 2 * $1 * $1) }
    var density = Axes(title: "density", xLabel: "x0", yLabel: "x1")
    density.hasEqualUnits = true
    density.series = [
      Series(.image(Raster(grid, top: grid.top), x: grid.x, y: grid.y), Style(.blue)),
      Series(.lines(grid.contours(at: 0.5)), Style(.vermilion, dash: .dashed), label: "half"),
    ]
    func numbers(_ low: Double, _ high: Double) -> Axes {
      Axes(xLabel: "x", yLabel: "y", series: [Series(.points(x: [low, high], y: [low, high]), .number(0))])
    }
    let name = "une colonne <b>\"très\" longue</b> & 中文 \u{0}\n\u{1B}[31m" + String(repeating: "x", count: 500)
    var hostile = Axes(title: name, xLabel: name, yLabel: name)
    hostile.series = [Series(.line(x: [0, .nan, 1e308, -1e308], y: [0, 1, .infinity, 5]), .number(0), label: name)]
    let small = (0..<8).map { row in
      (0..<8).map { column in
        var axes = numbers(Double(row), Double(column + row + 1) * 1000)
        (axes.hasXTicks, axes.hasYTicks) = (row == 7, column == 0)
        if row != 7 { axes.xLabel = "" }
        if column != 0 { axes.yLabel = "" }
        return row == column ? nil : axes
      } as [Axes?]
    }
    var crowd = Axes(xLabel: "x", yLabel: "y")
    crowd.series = (0..<60).map { n in
      Series(.points(x: [Double(n)], y: [Double(n)]), .number(n), label: "series of number \(n)")
    }
    let picture = Raster(width: 3, height: 2, pixels: (0..<18).map { UInt8($0 * 14) })
    return [
      ("marks", Figure(title: "All marks", panels: [[marks, bars]], width: 7, height: 3)),
      ("logs", Figure(panels: [[logs], [density]], width: 4, height: 6)),
      (
        "numbers",
        Figure(
          title: "numbers",
          panels: [[numbers(0, 1e9), numbers(1e9, 1e9 + 0.5)], [numbers(-1e-7, 1e-7), numbers(-99999, 99999)]],
          width: 6, height: 5)
      ),
      ("hostile", Figure(title: name, panels: [[hostile, hostile]], width: 5, height: 2.5)),
      ("tiny", Figure(title: name, panels: [[hostile]], width: 0.6, height: 0.5)),
      ("grid", Figure(title: "eight columns", panels: small, width: 7.5, height: 7.5)),
      (
        "pictures",
        Figure(
          panels: [[Axes(picture: picture, title: "data"), Axes(picture: picture, title: "samples")]], width: 5,
          height: 2.5)
      ),
      ("crowd", Figure(panels: [[crowd]], width: 4, height: 3)),
      ("empty", Figure(panels: [[Axes(), nil]], width: 3, height: 2)),
    ]
  }

  @Test("texts touch no other text, and stay on the sheet") func texts() throws {
    for (name, figure) in Self.gallery() {
      let texts = try figure.texts()
      for (index, text) in texts.enumerated() {
        for other in texts[..<index] { #expect(!text.overlaps(other), "\(name): \(text) and \(other)") }
        let isInside =
          text.left >= -0.01 && text.top >= -0.01 && text.right <= 72 * figure.width + 0.01
          && text.bottom <= 72 * figure.height + 0.01
        #expect(isInside || name == "tiny", "\(name): \(text)")
      }
      if name == "crowd" { #expect(texts.contains { $0.text.hasSuffix(" more") } && texts.contains { $0.text == "y" }) }
      if name == "marks" {
        #expect(texts.contains { $0.text == "a broken line" } && texts.contains { $0.text == "value of the quantity" })
      }
    }
  }

  /// Beside others that draw at the same time, whose numbers of surfaces come between.
  @Test("the same figure has the same bytes", arguments: Figure.Format.allCases) func bytes(format: Figure.Format)
    async throws
  {
    try await withThrowingTaskGroup(of: [Data].self) { group in
      for _ in 0..<3 { group.addTask { try Self.gallery().map { try $0.figure.data(format) } } }
      let first = try #require(await group.next())
      for try await other in group { #expect(other == first) }
      for data in first { #expect(data.range(of: Data("CreationDate".utf8)) == nil) }
      let begins: [Figure.Format: String] = [.pdf: "%PDF-1", .svg: "<?xml", .png: "\u{89}PNG"]
      let start = try #require(begins[format])
      #expect(first.allSatisfy { $0.starts(with: start.unicodeScalars.map { UInt8($0.value) }) })
    }
    if let folder = ProcessInfo.processInfo.environment["PLOTS_GALLERY"] {
      for (name, figure) in Self.gallery() {
        try figure.data(format).write(to: URL(fileURLWithPath: "\(folder)/\(name).\(format.rawValue)"))
      }
    }
  }

  @Test("a PNG has 300 dots per inch and says so") func resolution() throws {
    let data = try Figure(panels: [[Axes()]], width: 2, height: 1).png()
    func number(_ at: Int) -> Int { data[at..<at + 4].reduce(0) { $0 << 8 | Int($1) } }
    #expect(number(16) == 600 && number(20) == 300)
    // 300/0.0254 to the metre; the sum is the one that other programs write.
    #expect(data[37..<41] == Data("pHYs".utf8) && number(41) == 11811 && number(45) == 11811 && data[49] == 1)
    #expect(data[50..<54] == Data([0x78, 0xA5, 0x3F, 0x76]))
    var (place, names) = (8, [String]())
    while place + 8 <= data.count {
      names.append(String(decoding: data[place + 4..<place + 8], as: UTF8.self))
      place += 12 + number(place)
    }
    #expect(place == data.count && names.prefix(2) == ["IHDR", "pHYs"] && names.last == "IEND", "\(names)")
  }

  @Test("parts of an SVG file are numbered from 1, and all references lead to one") func parts() throws {
    for (name, figure) in Self.gallery() {
      let text = String(decoding: try figure.svg(), as: UTF8.self)
      let names = text.matches(of: /\bid="([^"]*)"/).map { String($0.output.1) }
      let references = text.matches(of: /(?:="#|url\(#)([^")]*)/).map { String($0.output.1) }
      #expect(Set(names).count == names.count && Set(references).isSubset(of: names), "\(name)")
      #expect(names.allSatisfy { $0.hasPrefix("p") } && !text.contains("surface"), "\(name)")
    }
  }

  @Test("pictures keep their pixels, and the legend names each label once") func pixels() throws {
    let picture = Raster(width: 2, height: 1, pixels: [255, 0, 0, 0, 0, 255])
    var figure = Figure(
      panels: [[Axes(picture: picture, title: ""), Axes(picture: picture, title: "")]], width: 4, height: 1)
    let text = String(decoding: try figure.svg(), as: UTF8.self)
    #expect(text.contains("data:image/png;base64,"))
    for column in 0..<2 { figure.panels[0][column]?.series[0].label = "same" }
    let texts = try figure.texts().map(\.text)
    #expect(figure.legend.count == 1 && texts == ["same"])
    figure.hasLegend = false
    #expect(try figure.texts().isEmpty)
  }
}
