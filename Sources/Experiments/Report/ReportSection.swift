// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Plots

/// The part of the page that one run has.
struct ReportSection {
  let run: ReportRun
  /// The folder that the page lies in, for links.
  let pageFolder: String
  /// How many pictures and plots there is room for.
  let room: (pictures: Int, plots: Int)

  private var identifier: String { HTML.identifier(run.name) }

  /// - Returns: the markup, and how many pictures and plots were left out.
  func html() -> (html: String, leftOut: Int) {
    var text = "<section id=\"\(identifier)\" aria-labelledby=\"\(identifier)-title\">\n"
    text += "<h2 id=\"\(identifier)-title\">\(HTML.escaped(run.name)) \(Self.state(run.state))</h2>\n"
    text += list(run.failures, "Failures", kind: "failures")
    text += list(run.problems, "Files that could not be read, or only in part", kind: "problems")
    text += list(run.notes, "Notes", kind: "notes")
    text += configuration()
    var leftOut = 0
    let plots = ReportPlots(run: run)
    text += solvers()
    text += sweep()
    leftOut += add(plots.metrics() + plots.sweep(), "Metrics", to: &text)
    leftOut += pictures(&text)
    leftOut += add(plots.training(), "Training", to: &text)
    text += evaluation()
    return (text + "</section>\n", leftOut)
  }

  static func state(_ state: ReportRun.State) -> String {
    state == .unknown ? "" : "<span class=\"state \(state.rawValue)\">\(state.rawValue)</span>"
  }

  private func list(_ items: [String], _ title: String, kind: String) -> String {
    items.isEmpty ? "" : "<h3 class=\"\(kind)\">\(title)</h3>\n" + HTML.list(items, kind: kind)
  }

  private func configuration() -> String {
    var text = ""
    let facts = run.facts.map { "<dt>\(HTML.escaped($0.key))</dt><dd>\(HTML.escaped($0.value))</dd>" }.joined()
    text += "<p>"
    if run.config != nil {
      let link = HTML.link(to: run.path + "/config.yaml", from: pageFolder)
      text += "<a href=\"\(HTML.escaped(link))\">config.yaml</a> · "
    }
    text += "<code>\(HTML.escaped(run.path))</code></p>\n"
    if !facts.isEmpty {
      text +=
        "<details id=\"\(identifier)-facts\"><summary>What made these results</summary><dl>\(facts)</dl></details>\n"
    }
    if let config = run.config {
      text +=
        "<details id=\"\(identifier)-config\"><summary>Config</summary><pre>\(HTML.escaped(config))</pre></details>\n"
    }
    return text
  }

  // MARK: Tables

  /// A number of three digits and its interval.
  static func shown(_ value: Double, _ low: Double?, _ high: Double?) -> String {
    func text(_ value: Double) -> String { String(format: "%.3g", value) }
    guard let low, let high, low.isFinite, high.isFinite else { return value.isFinite ? text(value) : "" }
    return "\(text(value)) [\(text(low)), \(text(high))]"
  }

  private func solvers() -> String {
    guard let table = run.solvers, !table.rows.isEmpty else { return "" }
    let costs = ["solver", "kind", "count", "steps", "nfe", "nfe_max", "seconds"].filter(table.columns.contains)
    let metrics = table.metrics
    let best = metrics.map { bestRows($0, in: table) }
    let rows = table.rows.indices.map { row in
      costs.map { column in
        let text = table.text(row, column)
        return HTML.Cell(
          column == "seconds" ? Double(text).map { Self.shown($0, nil, nil) } ?? text : text, value: Double(text))
      }
        + metrics.enumerated().map { index, metric in
          let text = table.text(row, metric)
          guard let value = Double(text) else { return HTML.Cell(text) }
          let (low, high) = (Double(table.text(row, metric + "_low")), Double(table.text(row, metric + "_high")))
          var cell = HTML.Cell(Self.shown(value, low, high), value: value)
          cell.isBest = best[index].contains(row)
          return cell
        }
    }
    let hasBest = best.contains { !$0.isEmpty }
    return HTML.table(
      "\(identifier)-solvers", caption: "Solvers: cost, and metrics with 95 % intervals where there are some",
      costs + metrics, rows)
      + (hasBest ? "<p>Bold: the best of a column, and those whose interval reaches the best one's.</p>\n" : "")
  }

  /// The rows of the best value of a metric and of those that its interval does not tell from it; none where nobody
  /// says whether small or large is good.
  private func bestRows(_ metric: String, in table: ReportTable) -> [Int] {
    guard table.rows.count > 1, let evaluation = run.evaluation,
      let row = evaluation.rows.indices.first(where: {
        evaluation.text($0, "metric").replacingOccurrences(of: "-", with: "_") == metric
      })
    else { return [] }
    let sign: Double
    switch evaluation.text(row, "better") {
    case "lower": sign = 1
    case "higher": sign = -1
    default: return []
    }
    let values = table.rows.indices.map { (Double(table.text($0, metric)) ?? .nan) * sign }
    let finite = values.indices.filter { values[$0].isFinite }
    guard let best = finite.min(by: { values[$0] < values[$1] }) else { return [] }
    func bound(_ row: Int, _ ending: String) -> Double { Double(table.text(row, metric + ending)) ?? .nan }
    let (worstOfBest, bestOfOthers) = sign > 0 ? ("_high", "_low") : ("_low", "_high")
    let edge = bound(best, worstOfBest) * sign
    return finite.filter { $0 == best || bound($0, bestOfOthers) * sign <= edge }
  }

  private static let mostRows = 500

  private func evaluation() -> String {
    guard let table = run.evaluation, !table.rows.isEmpty else { return "" }
    func section(_ rows: [Int], _ name: String, _ caption: String, isOpen: Bool) -> String {
      guard !rows.isEmpty else { return "" }
      let columns = ["solver", "metric", "class", "repeat"].filter { column in
        table.columns.contains(column) && (column != "class" && column != "repeat" || !isOpen)
      }
      let cells = rows.prefix(Self.mostRows).map { row in
        columns.map { HTML.Cell(table.text(row, $0)) }
          + ["", "data"].map { prefix -> HTML.Cell in
            let names = prefix.isEmpty ? ("value", "low", "high") : ("data", "data_low", "data_high")
            let text = table.text(row, names.0)
            guard let value = Double(text) else { return HTML.Cell(text) }
            return HTML.Cell(
              Self.shown(value, Double(table.text(row, names.1)), Double(table.text(row, names.2))), value: value)
          } + ["count", "held_out", "better"].map { HTML.Cell(table.text(row, $0)) }
      }
      let more = rows.count > Self.mostRows ? "<p>The first \(Self.mostRows) of \(rows.count) rows.</p>" : ""
      return "<details id=\"\(identifier)-\(name)\"\(isOpen ? " open" : "")><summary>\(caption)</summary>"
        + HTML.table(
          "\(identifier)-\(name)-table", caption: caption,
          columns + ["value", "real rows in place of samples", "count", "held out", "better"], cells) + more
        + "</details>\n"
    }
    let whole = table.rows.indices.filter {
      table.text($0, "class").isEmpty && ["", "all"].contains(table.text($0, "repeat"))
    }
    let rest = table.rows.indices.filter { !whole.contains($0) }
    return section(
      whole, "evaluation", "Evaluation of \(HTML.escaped(run.name)): value and 95 % interval", isOpen: true)
      + section(rest, "classes", "By class and repeat", isOpen: false)
  }

  private func sweep() -> String {
    guard let table = run.sweep, !table.rows.isEmpty else { return "" }
    let metrics = table.metrics
    let others = table.columns.filter { column in
      !metrics.contains(column)
        && !metrics.contains { column == $0 + "_low" || column == $0 + "_high" }
    }
    let rows = table.rows.indices.prefix(Self.mostRows).map { row in
      others.map { HTML.Cell(table.text(row, $0)) }
        + metrics.map { metric in
          let text = table.text(row, metric)
          guard let value = Double(text), table.columns.contains(metric + "_low") else { return HTML.Cell(text) }
          return HTML.Cell(
            Self.shown(value, Double(table.text(row, metric + "_low")), Double(table.text(row, metric + "_high"))),
            value: value)
        }
    }
    let more =
      table.rows.count > Self.mostRows ? "<p>The first \(Self.mostRows) of \(table.rows.count) rows.</p>\n" : ""
    return HTML.table("\(identifier)-sweep", caption: "Sweep", others + metrics, rows) + more
  }

  // MARK: Pictures

  /// Adds plots, as far as there is room.
  /// - Returns: how many were left out.
  private func add(_ plots: [ReportPlots.Plot], _ title: String, to text: inout String) -> Int {
    guard !plots.isEmpty else { return 0 }
    var images = ""
    var leftOut = max(0, plots.count - room.plots)
    for plot in plots.prefix(room.plots) {
      guard let svg = try? plot.figure.svg() else {
        leftOut += 1
        continue
      }
      images +=
        "<figure>"
        + HTML.image(svg, type: "image/svg+xml", alt: "\(run.name): \(plot.name)", width: Int(plot.figure.width * 96))
        + "</figure>\n"
    }
    if !images.isEmpty { text += "<h3>\(title)</h3>\n<div class=\"plots\">\(images)</div>\n" }
    return leftOut
  }

  /// The width in pixels that pictures are made smaller to.
  private static let pictureWidth = 960

  /// What a picture shows, for people who do not see it.
  private func meaning(of name: String, _ caption: String) -> String {
    let solvers = run.solvers?.texts("solver") ?? []
    if name == "field.png" { return "arrows of the score" }
    if name == "\(Reconstructions.name).png" { return "held-out data beside what the autoencoder makes of them" }
    if solvers.contains(caption) { return "samples of \(caption) beside the data" }
    return "picture \(caption)"
  }

  private func pictures(_ text: inout String) -> Int {
    var leftOut = max(0, run.pictures.count - room.pictures)
    var images = ""
    for name in run.pictures.prefix(room.pictures) {
      let path = "\(run.path)/\(name)"
      let caption = ((name as NSString).lastPathComponent as NSString).deletingPathExtension
      guard let small = ReportPictures.small(path, width: Self.pictureWidth) else {
        images +=
          "<figure><figcaption class=\"problems\">\(HTML.escaped(name)): is no picture that can be read</figcaption></figure>\n"
        leftOut += 1
        continue
      }
      images +=
        "<figure>"
        + HTML.image(small, type: "image/png", alt: "\(run.name): \(meaning(of: name, caption))")
        + "<figcaption>\(HTML.escaped(caption))</figcaption></figure>\n"
    }
    if !images.isEmpty { text += "<h3>Pictures</h3>\n<div class=\"pictures\">\n\(images)</div>\n" }
    return leftOut
  }
}
