// SPDX-License-Identifier: GPL-3.0-or-later
import CCairo

/// Gives every part of a figure its own place, and draws it. Texts never share one: title and legend have rows of their
/// own, every panel has margins as wide as its labels, and labels that would touch are left out or cut short.
struct Layout {
  let figure: Figure
  let canvas: Canvas

  private let titleFont = Canvas.Font(size: 10, isBold: true)
  private let panelFont = Canvas.Font(size: 9)
  private let labelFont = Canvas.Font(size: 8.5)
  private let tickFont = Canvas.Font(size: 7.5)
  private let edge = 5.0

  private struct Margins {
    var left = 8.0, top = 4.0, right = 8.0, bottom = 4.0
  }

  func draw() {
    let (width, height) = (72 * figure.width, 72 * figure.height)
    cairo_rectangle(canvas.context, 0, 0, width, height)
    canvas.fill(.white)
    var top = edge
    if !figure.title.isEmpty {
      let title = canvas.fitted(figure.title, titleFont, width - 2 * edge)
      canvas.write(title, x: width / 2, y: top + titleFont.height / 2, titleFont)
      top += titleFont.height + 3
    }
    top = legend(from: top, width: width)
    drawPanels(in: Box(left: edge, top: top, right: width - edge, bottom: height - edge))
  }

  /// Rows of what the series are called, each in the middle.
  /// - Returns: where the panels begin.
  private func legend(from start: Double, width: Double) -> Double {
    let (swatch, gap, space) = (18.0, 4.0, 14.0)
    let longest = width - 2 * edge
    let entries = figure.legend.map { series in
      (series: series, text: canvas.fitted(series.label ?? "", labelFont, longest - swatch - gap))
    }
    var rows: [(entries: [(Series, String, Double)], length: Double)] = []
    for (series, text) in entries {
      let length = swatch + gap + canvas.width(text, labelFont)
      if let last = rows.last, last.length + space + length <= longest {
        rows[rows.count - 1].entries.append((series, text, length))
        rows[rows.count - 1].length += space + length
      } else {
        rows.append(([(series, text, length)], length))
      }
    }
    // Half of the figure is for panels.
    let most = max(1, Int((36 * figure.height - start) / (labelFont.height + 2)))
    var more = 0
    if rows.count > most {
      more = rows[(most - 1)...].reduce(0) { $0 + $1.entries.count }
      rows.removeLast(rows.count - most + 1)
    }
    var top = start
    for row in rows {
      var x = (width - row.length) / 2
      let middle = top + labelFont.height / 2
      for (series, text, length) in row.entries {
        canvas.key(series, in: Box(left: x, top: top, right: x + swatch, bottom: top + labelFont.height))
        canvas.write(text, x: x + swatch + gap, y: middle, labelFont, .start)
        x += length + space
      }
      top += labelFont.height + 2
    }
    if more > 0 {
      let text = canvas.fitted("and \(more) more", labelFont, width - 2 * edge)
      canvas.write(text, x: width / 2, y: top + labelFont.height / 2, labelFont)
      top += labelFont.height + 2
    }
    return top == start ? top : top + 2
  }

  /// Panels whose boxes are all of one size: a column is as wide as its widest labels ask for, a row as high.
  private func drawPanels(in area: Box) {
    let panels = figure.panels
    let (rowCount, columnCount) = (panels.count, panels[0].count)
    let across = panels.map { row in
      var margins = Margins()
      for case let axes? in row {
        if !axes.title.isEmpty {
          margins.top = max(margins.top, Double(axes.titleLines.count) * panelFont.height + 5)
        }
        if axes.hasXTicks { margins.bottom = max(margins.bottom, 5 + tickFont.height + 1) }
        if !axes.xLabel.isEmpty || axes.xKind == .linear && axes.hasXTicks && !axes.isBare && hasUnit(axes.xLimits) {
          margins.bottom = max(margins.bottom, (axes.hasXTicks ? 6 + tickFont.height : 2) + labelFont.height + 3)
        }
      }
      return margins
    }
    let boxHeight =
      max(10, (area.height - across.reduce(0) { $0 + $1.top + $1.bottom }) / Double(rowCount))
    // What is written to the left depends on the height alone.
    let along = (0..<columnCount).map { column in
      var margins = Margins()
      for row in 0..<rowCount {
        guard let axes = panels[row][column] else { continue }
        if axes.hasYTicks {
          let ticks = yTicks(axes.scales(width: boxHeight, height: boxHeight).y, boxHeight)
          margins.left = max(margins.left, 6 + (ticks.labels.map { canvas.width($0, tickFont) }.max() ?? 0))
          margins.left = max(margins.left, 6 + widest(axes, boxHeight))
        }
      }
      let hasLabel = panels.contains { $0[column].map { !$0.yLabel.isEmpty || $0.hasYTicks } ?? false }
      if hasLabel { margins.left += labelFont.height + 3 }
      return margins
    }
    let boxWidth = max(10, (area.width - along.reduce(0) { $0 + $1.left + $1.right }) / Double(columnCount))
    var top = area.top
    for row in 0..<rowCount {
      var left = area.left
      for column in 0..<columnCount {
        let (x, y) = (left + along[column].left, top + across[row].top)
        if let axes = panels[row][column] {
          panel(
            axes, in: Box(left: x, top: y, right: x + boxWidth, bottom: y + boxHeight),
            margins: Margins(
              left: along[column].left, top: across[row].top, right: along[column].right, bottom: across[row].bottom))
        }
        left = x + boxWidth + along[column].right
      }
      top += across[row].top + boxHeight + across[row].bottom
    }
  }

  /// Equal units widen a scale by a factor that depends on the width; labels for a few such factors.
  private func widest(_ axes: Axes, _ height: Double) -> Double {
    guard axes.hasEqualUnits else { return 0 }
    return [0.5, 2, 4].map { factor in
      yTicks(axes.scales(width: height * factor, height: height).y, height).labels.map { canvas.width($0, tickFont) }
        .max() ?? 0
    }.max() ?? 0
  }

  private func hasUnit(_ limits: ClosedRange<Double>?) -> Bool {
    limits.map { !Ticks(Scale(.linear, $0), count: 4).unit.isEmpty } ?? true
  }

  private func yTicks(_ scale: Scale, _ height: Double) -> Ticks {
    Ticks(scale, length: height, spacing: 24, gap: 3) { _ in tickFont.height }
  }

  private func xTicks(_ scale: Scale, _ width: Double) -> Ticks {
    Ticks(scale, length: width, spacing: 30, gap: 6) { canvas.width($0, tickFont) }
  }

  private func label(_ text: String, _ unit: String) -> String {
    unit.isEmpty ? text : text.isEmpty ? unit : "\(text)  (\(unit))"
  }

  private func panel(_ axes: Axes, in box: Box, margins: Margins) {
    let scales = axes.scales(width: box.width, height: box.height)
    let frame = Frame(box: box, x: scales.x, y: scales.y)
    canvas.clipped(box) { for series in axes.series { canvas.draw(series, in: frame) } }
    if !axes.title.isEmpty {
      let most = box.width + 2 * min(margins.left, margins.right) - 2
      for (line, text) in axes.titleLines.reversed().enumerated() {
        canvas.write(
          canvas.fitted(text, panelFont, most), x: (box.left + box.right) / 2,
          y: box.top - 3 - (Double(line) + 0.5) * panelFont.height, panelFont)
      }
    }
    guard !axes.isBare else { return }
    let (xTicks, yTicks) = (xTicks(scales.x, box.width), yTicks(scales.y, box.height))
    cairo_rectangle(canvas.context, box.left, box.top, box.width, box.height)
    canvas.stroke(.black, width: 0.6)
    for (values, length) in [(xTicks.minor, 1.6), (xTicks.values, 3)] where axes.hasXTicks {
      for value in values {
        let x = frame.place(value, scales.y.low).x
        canvas.line(x, box.bottom, x, box.bottom + length, .black, width: 0.6)
      }
    }
    for (values, length) in [(yTicks.minor, 1.6), (yTicks.values, 3)] where axes.hasYTicks {
      for value in values {
        let y = frame.place(scales.x.low, value).y
        canvas.line(box.left - length, y, box.left, y, .black, width: 0.6)
      }
    }
    if axes.hasXTicks {
      for (value, text) in zip(xTicks.values, xTicks.labels) {
        let (x, half) = (frame.place(value, scales.y.low).x, canvas.width(text, tickFont) / 2)
        guard x - half >= box.left - margins.left + 1, x + half <= box.right + margins.right - 1 else { continue }
        canvas.write(text, x: x, y: box.bottom + 5 + tickFont.height / 2, tickFont)
      }
    }
    if axes.hasYTicks {
      for (value, text) in zip(yTicks.values, yTicks.labels) {
        // Digits have nothing below the base line.
        let y = frame.place(scales.x.low, value).y + 0.1 * tickFont.size
        canvas.write(text, x: box.left - 5, y: y, tickFont, .end)
      }
    }
    let xText = label(axes.xLabel, axes.hasXTicks ? xTicks.unit : "")
    let below = (axes.hasXTicks ? 6 + tickFont.height : 2) + labelFont.height / 2
    canvas.write(
      canvas.fitted(xText, labelFont, box.width + margins.right), x: (box.left + box.right) / 2, y: box.bottom + below,
      labelFont)
    let yText = label(axes.yLabel, axes.hasYTicks ? yTicks.unit : "")
    canvas.write(
      canvas.fitted(yText, labelFont, box.height + margins.top), x: box.left - margins.left + 1 + labelFont.height / 2,
      y: (box.top + box.bottom) / 2, labelFont, isUpright: true)
  }
}
