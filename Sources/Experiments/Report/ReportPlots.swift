// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import Plots

/// The plots of a run: its metrics against what solvers cost, and its training.
struct ReportPlots {
  /// A plot with its name, for people who do not see it.
  struct Plot {
    let name: String
    let figure: Figure
  }

  /// The most metrics that are drawn of a run.
  static let mostMetrics = 8
  /// The most solvers that a legend names.
  private static let mostNames = 14

  let run: ReportRun

  /// A plot a metric, with its intervals, against evaluations and seconds.
  func metrics() -> [Plot] {
    guard let table = run.solvers, let solvers = table.texts("solver") else { return [] }
    // Of many solvers the kinds are told apart.
    let names = solvers.count > Self.mostNames ? table.texts("kind") ?? solvers : solvers
    return table.metrics.compactMap { metric -> Plot? in
      guard let values = table.numbers(metric), values.contains(where: \.isFinite) else { return nil }
      let bounds = ["_low", "_high"].map { table.numbers(metric + $0) }
      let costs = [("nfe", "score evaluations a row"), ("seconds", "seconds")].compactMap { key, label in
        table.numbers(key).map { (label, $0) }
      }
      let panels = costs.enumerated().map { index, cost -> Axes? in
        axes(names, cost.1, values, bounds[0], bounds[1], x: cost.0, y: index == 0 ? metric : "")
      }
      guard !panels.isEmpty else { return nil }
      let rows = (Double(min(Self.mostNames, Set(names).count)) / 4).rounded(.up)
      return Plot(
        name: "\(metric) of every solver against its cost",
        figure: Figure(panels: [panels], width: 5.9, height: 2.5 + min(2, 0.16 * rows)))
    }.prefix(Self.mostMetrics).map { $0 }
  }

  private func axes(
    _ names: [String], _ cost: [Double], _ values: [Double], _ low: [Double]?, _ high: [Double]?, x: String, y: String
  ) -> Axes {
    var axes = Axes(xLabel: x, yLabel: y)
    let seen = values.indices.filter { values[$0].isFinite && cost[$0].isFinite }
    func limits(_ index: Int) -> (Double, Double)? {
      guard let low = low?[index], let high = high?[index], low.isFinite, high.isFinite else { return nil }
      return (low, high)
    }
    let all = seen.flatMap { [values[$0]] + (limits($0).map { [$0.0, $0.1] } ?? []) }
    if seen.allSatisfy({ cost[$0] > 0 }) { axes.xKind = .logarithmic }
    // Unbiased estimates may be 0 or less, which logarithms do not show.
    if all.allSatisfy({ $0 > 0 }) { axes.yKind = .logarithmic }
    axes.xLimits = Scale.limits(seen.map { cost[$0] }, axes.xKind, margin: 0.08)
    axes.yLimits = Scale.limits(all, axes.yKind, margin: 0.08)
    var groups: [String] = []
    for index in seen {
      if !groups.contains(names[index]) { groups.append(names[index]) }
      let group = groups.firstIndex(of: names[index]) ?? 0
      let style = Style.number(group)
      if let (low, high) = limits(index) {
        axes.series.append(Series(.errorBars(x: [cost[index]], low: [low], high: [high]), style))
      }
      axes.series.append(
        Series(
          .points(x: [cost[index]], y: [values[index]]),
          Style(style.color, marker: style.marker, size: 5.5), label: group < Self.mostNames ? names[index] : nil))
    }
    return axes
  }

  /// The loss of a training over its steps, and by time.
  func training() -> [Plot] {
    var plots: [Plot] = []
    if let table = run.training, let steps = table.numbers("step"), let losses = table.numbers("loss"), !steps.isEmpty {
      var axes = Axes(xLabel: "step", yLabel: "training loss")
      axes.series = [Series(.line(x: steps, y: losses), Style(.blue, width: 0.9))]
      if losses.allSatisfy({ !$0.isFinite || $0 > 0 }) { axes.yKind = .logarithmic }
      plots.append(
        Plot(name: "training loss over \(steps.count) lines", figure: Figure(panels: [[axes]], width: 3.5, height: 2.4))
      )
    }
    if let table = run.lossByTime, let low = table.numbers("time_low"), let high = table.numbers("time_high"),
      !low.isEmpty
    {
      let middles = zip(low, high).map { ($0 + $1) / 2 }
      var axes = Axes(xLabel: "time t", yLabel: "loss")
      for (index, column) in table.columns.filter({ !$0.hasPrefix("time_") }).prefix(6).enumerated() {
        guard let values = table.numbers(column), !values.isEmpty else { continue }
        axes.series.append(
          Series(
            .line(x: middles, y: values), Style.number(index),
            label: column.replacingOccurrences(of: "_", with: " ")))
      }
      let all = axes.series.flatMap { series -> [Double] in if case .line(_, let y) = series.mark { y } else { [] } }
      if all.allSatisfy({ !$0.isFinite || $0 > 0 }) { axes.yKind = .logarithmic }
      if !axes.series.isEmpty {
        plots.append(Plot(name: "loss by time", figure: Figure(panels: [[axes]], width: 3.5, height: 2.4)))
      }
    }
    return plots
  }

  /// The first metrics of a sweep against the keys that take several numbers in it.
  func sweep() -> [Plot] {
    guard let table = run.sweep else { return [] }
    let fixed: Set = [
      "run", "experiment", "process", "solver", "kind", "count", "steps", "nfe", "nfe_max", "repeat",
    ]
    guard let start = table.columns.firstIndex(of: "experiment") else { return [] }
    let keys = table.columns[..<start].filter { key in
      !fixed.contains(key) && Set((table.numbers(key) ?? []).filter(\.isFinite)).count > 1
    }
    let metrics = table.metrics.filter { metric in
      !keys.contains(metric) && table.numbers(metric)?.contains(where: \.isFinite) == true
    }
    let solvers = table.texts("solver") ?? []
    var order: [String] = []
    for solver in solvers where !order.contains(solver) { order.append(solver) }
    guard !keys.isEmpty else { return [] }
    return metrics.prefix(4).map { metric in
      let values = table.numbers(metric) ?? []
      let panels = keys.prefix(3).enumerated().map { place, key -> Axes? in
        let settings = table.numbers(key) ?? []
        var axes = Axes(xLabel: key, yLabel: place == 0 ? metric : "")
        let positive = settings.filter(\.isFinite)
        if let low = positive.min(), let high = positive.max(), low > 0, high / low >= 8 { axes.xKind = .logarithmic }
        if values.allSatisfy({ !$0.isFinite || $0 > 0 }) { axes.yKind = .logarithmic }
        for (index, solver) in order.prefix(7).enumerated() {
          let rows = solvers.indices.filter { solvers[$0] == solver }
          let style = Style.number(index)
          axes.series.append(
            Series(
              .points(x: rows.map { settings[$0] }, y: rows.map { values[$0] }),
              Style(style.color.opacity(0.8), marker: style.marker, size: 4), label: solver))
        }
        axes.xLimits = Scale.limits(positive, axes.xKind, margin: 0.08)
        return axes
      }
      return Plot(
        name: "\(metric) of every run against what is swept",
        figure: Figure(panels: [panels], width: 1 + 2.6 * Double(panels.count), height: 2.9))
    }
  }
}
