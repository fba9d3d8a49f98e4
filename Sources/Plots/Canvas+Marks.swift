// SPDX-License-Identifier: GPL-3.0-or-later
import CCairo
import Foundation

/// Places on paper of values on two scales.
struct Frame {
  let box: Box
  let x, y: Scale

  /// NaN for what has no place; far outside, cut to what Cairo's numbers hold.
  func place(_ px: Double, _ py: Double) -> (x: Double, y: Double) {
    func bounded(_ share: Double) -> Double { share.isFinite ? min(max(share, -50), 50) : .nan }
    return (box.left + bounded(x.place(px)) * box.width, box.bottom - bounded(y.place(py)) * box.height)
  }

  func contains(_ px: Double, _ py: Double) -> Bool {
    let (u, v) = (x.place(px), y.place(py))
    return u >= 0 && u <= 1 && v >= 0 && v <= 1
  }
}

extension Canvas {
  /// Draws a series within its frame.
  func draw(_ series: Series, in frame: Frame) {
    let style = series.style
    switch series.mark {
    case .points(let x, let y):
      for (px, py) in zip(x, y) where frame.contains(px, py) {
        let place = frame.place(px, py)
        mark(place.x, place.y, style)
      }
    case .line(let x, let y):
      trace(zip(x, y).map { frame.place($0, $1) })
      stroke(style.color, width: style.width, dash: style.dash)
    case .lines(let lines):
      for line in lines { trace(line.map { frame.place($0.x, $0.y) }) }
      stroke(style.color, width: style.width, dash: style.dash)
    case .band(let x, let low, let high):
      let finite = x.indices.filter { x[$0].isFinite && low[$0].isFinite && high[$0].isFinite }
      trace(finite.map { frame.place(x[$0], low[$0]) } + finite.reversed().map { frame.place(x[$0], high[$0]) })
      fill(style.color.opacity(style.fill > 0 ? style.fill : 0.2))
    case .errorBars(let x, let low, let high):
      for i in x.indices {
        let (bottom, top) = (frame.place(x[i], low[i]), frame.place(x[i], high[i]))
        guard bottom.x.isFinite, top.y.isFinite else { continue }
        let foot = bottom.y.isFinite ? bottom.y : frame.box.bottom
        let half = 2.5
        trace([(bottom.x, foot), top])
        trace([(top.x - half, top.y), (top.x + half, top.y)])
        trace([(bottom.x - half, foot), (bottom.x + half, foot)])
        stroke(style.color, width: style.width)
      }
    case .histogram(let histogram): draw(histogram, style, in: frame)
    case .arrows(let from, let by):
      for (start, way) in zip(from, by) where frame.contains(start.x, start.y) {
        arrow(frame.place(start.x, start.y), frame.place(start.x + way.x, start.y + way.y), style)
      }
    case .image(let raster, let x, let y):
      let (low, high) = (frame.place(x.lowerBound, y.lowerBound), frame.place(x.upperBound, y.upperBound))
      guard low.x.isFinite, low.y.isFinite, high.x.isFinite, high.y.isFinite else { return }
      draw(raster, in: Box(left: low.x, top: high.y, right: high.x, bottom: low.y))
    }
  }

  /// What stands for a series in the legend.
  func key(_ series: Series, in box: Box) {
    let (style, middle) = (series.style, box.top + box.height / 2)
    switch series.mark {
    case .points:
      mark(
        box.left + box.width / 2, middle, Style(style.color.opacity(1), marker: style.marker, size: max(4, style.size)))
    case .band, .image:
      cairo_rectangle(context, box.left, middle - 3, box.width, 6)
      fill(style.color.opacity(style.fill > 0 ? max(0.3, style.fill) : 0.2))
    case .histogram:
      cairo_rectangle(context, box.left, middle - 3, box.width, 6)
      if style.fill > 0 { fill(style.color.opacity(style.fill)) }
      cairo_rectangle(context, box.left, middle - 3, box.width, 6)
      stroke(style.color, width: style.width, dash: style.dash)
    case .errorBars:
      let x = box.left + box.width / 2
      trace([(x, middle - 3.5), (x, middle + 3.5)])
      for y in [middle - 3.5, middle + 3.5] { trace([(x - 2.5, y), (x + 2.5, y)]) }
      stroke(style.color, width: style.width)
    case .arrows: arrow((box.left, middle), (box.right, middle), style)
    case .line, .lines:
      trace([(box.left, middle), (box.right, middle)])
      stroke(style.color, width: style.width, dash: style.dash)
      if style.fill > 0 { mark(box.left + box.width / 2, middle, style) }
    }
  }

  /// A path through points; those without a place part it.
  private func trace(_ points: [(x: Double, y: Double)]) {
    var isDown = false
    for point in points {
      guard point.x.isFinite, point.y.isFinite else {
        isDown = false
        continue
      }
      if isDown { cairo_line_to(context, point.x, point.y) } else { cairo_move_to(context, point.x, point.y) }
      isDown = true
    }
  }

  private func draw(_ histogram: Histogram, _ style: Style, in frame: Frame) {
    var outline: [(x: Double, y: Double)] = []
    for (index, height) in histogram.heights.enumerated() {
      for edge in [histogram.edges[index], histogram.edges[index + 1]] { outline.append(frame.place(edge, height)) }
    }
    guard let first = outline.first, let last = outline.last else { return }
    let whole = [(first.x, frame.box.bottom)] + outline + [(last.x, frame.box.bottom)]
    if style.fill > 0 {
      trace(whole)
      fill(style.color.opacity(style.fill))
    }
    trace(whole)
    stroke(style.color, width: style.width, dash: style.dash)
  }

  private func mark(_ x: Double, _ y: Double, _ style: Style) {
    let half = style.size / 2
    func polygon(_ corners: [(Double, Double)]) {
      trace(corners.map { (x + half * $0.0, y + half * $0.1) })
      cairo_close_path(context)
      fill(style.color)
    }
    switch style.marker {
    case .circle:
      cairo_new_sub_path(context)
      cairo_arc(context, x, y, half, 0, 2 * .pi)
      fill(style.color)
    case .square: polygon([(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)])
    case .triangle: polygon([(-1, 0.8), (1, 0.8), (0, -1)])
    case .diamond: polygon([(-1.1, 0), (0, 1.1), (1.1, 0), (0, -1.1)])
    case .cross, .plus:
      let (a, b) = style.marker == .plus ? (half * 1.1, 0) : (half * 0.85, half * 0.85)
      trace([(x - a, y - b), (x + a, y + b)])
      trace([(x - b, y + a), (x + b, y - a)])
      stroke(style.color, width: max(0.6, style.size / 4))
    }
  }

  private func arrow(_ start: (x: Double, y: Double), _ end: (x: Double, y: Double), _ style: Style) {
    let (dx, dy) = (end.x - start.x, end.y - start.y)
    let length = (dx * dx + dy * dy).squareRoot()
    guard length.isFinite, length > 0.1 else { return }
    let head = min(3.2, 0.5 * length)
    let (ux, uy) = (dx / length, dy / length)
    trace([start, (end.x - ux * head * 0.8, end.y - uy * head * 0.8)])
    stroke(style.color, width: style.width)
    let (bx, by) = (end.x - ux * head, end.y - uy * head)
    trace([end, (bx - uy * head * 0.4, by + ux * head * 0.4), (bx + uy * head * 0.4, by - ux * head * 0.4)])
    cairo_close_path(context)
    fill(style.color)
  }
}
