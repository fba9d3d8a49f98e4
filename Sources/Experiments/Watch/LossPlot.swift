// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation

/// A curve in characters: the loss against the step, with labels on both axes.
struct LossPlot {
  /// The lines, each of at most the width asked for.
  let lines: [String]

  /// - Parameters:
  ///   - points: steps in rising order, with finite losses.
  ///   - columns: at least 20.
  ///   - rows: at least 4, of which the axis takes two.
  ///   - isUnicode: whether points may be the dots of Braille, eight in a character.
  init(_ points: [(step: Int, loss: Double)], columns: Int, rows: Int, isUnicode: Bool) {
    guard let first = points.first, let last = points.last else {
      lines = ["no row of training.csv yet".cut(to: columns, isUnicode: isUnicode)]
      return
    }
    let losses = points.map(\.loss)
    let (low, high) = (losses.min() ?? 0, losses.max() ?? 1)
    let isLogarithmic = low > 0 && high > 8 * low
    func scaled(_ value: Double) -> Double { isLogarithmic ? log(value) : value }
    let (bottom, top) = (scaled(low), scaled(high))
    let labels = [high, isLogarithmic ? (low * high).squareRoot() : (low + high) / 2, low].map(Self.label)
    let margin = (labels.map(\.count).max() ?? 0) + 1
    let (width, height) = (max(4, columns - margin - 1), max(2, rows - 2))
    let (across, down) = isUnicode ? (2, 4) : (1, 1)
    // Each column of dots has the mean of its rows, so that no peak of a long log is chosen by chance.
    var sums = [(sum: Double, count: Int)](repeating: (0, 0), count: width * across)
    let span = Double(max(1, last.step - first.step))
    for point in points {
      let place = Double(point.step - first.step) / span * Double(sums.count - 1)
      sums[Int(place.rounded())].sum += scaled(point.loss)
      sums[Int(place.rounded())].count += 1
    }
    var dots = Set<Int>()
    var before: Int?
    for (x, column) in sums.enumerated() where column.count > 0 {
      let share = top > bottom ? (column.sum / Double(column.count) - bottom) / (top - bottom) : 0.5
      let y = Int((1 - share) * Double(height * down - 1) + 0.5)
      // A column that is reached from another height is a line.
      for between in min(y, before ?? y)...max(y, before ?? y) { dots.insert(between * sums.count + x) }
      before = y
    }
    let axis = isUnicode ? ("┤", "│", "└", "─") : ("|", "|", "+", "-")
    var lines: [String] = []
    for row in 0..<height {
      let label =
        row == 0 ? labels[0] : row == height - 1 ? labels[2] : row == height / 2 && height > 4 ? labels[1] : ""
      var line = String(repeating: " ", count: margin - 1 - label.count) + label + " "
      line += label.isEmpty ? axis.1 : axis.0
      for column in 0..<width {
        line.append(Self.character(dots, row, column, (across, down), sums.count, isUnicode: isUnicode))
      }
      while line.last == " " { line.removeLast() }
      lines.append(line)
    }
    lines.append(String(repeating: " ", count: margin) + axis.2 + String(repeating: axis.3, count: width))
    let scale = isLogarithmic ? "loss (logarithmic) by step" : "loss by step"
    lines.append(Self.legend(String(first.step), scale, String(last.step), margin: margin, width: width))
    self.lines = lines.map { $0.cut(to: columns, isUnicode: isUnicode) }
  }

  /// The first step at the left, the last one at the right, and between them what is drawn, if there is room.
  private static func legend(_ first: String, _ title: String, _ last: String, margin: Int, width: Int) -> String {
    let room = width + 1 - first.count - last.count
    let middle = room >= title.count + 2 ? title : room >= 6 ? "step" : ""
    let left = max(0, (room - middle.count) / 2)
    let right = max(1, room - middle.count - left)
    func blanks(_ count: Int) -> String { String(repeating: " ", count: count) }
    return blanks(margin) + first + blanks(left) + middle + blanks(right) + last
  }

  private static func character(
    _ dots: Set<Int>, _ row: Int, _ column: Int, _ cell: (across: Int, down: Int), _ stride: Int, isUnicode: Bool
  ) -> Character {
    guard isUnicode else { return dots.contains(row * stride + column) ? "*" : " " }
    // The bits of Braille's eight dots, by columns from the top.
    let bits: [[UInt32]] = [[0x01, 0x02, 0x04, 0x40], [0x08, 0x10, 0x20, 0x80]]
    var pattern: UInt32 = 0
    for x in 0..<cell.across {
      for y in 0..<cell.down
      where dots.contains((row * cell.down + y) * stride + column * cell.across + x) { pattern |= bits[x][y] }
    }
    return pattern == 0 ? " " : Unicode.Scalar(0x2800 + pattern).map(Character.init) ?? "*"
  }

  /// Three significant digits.
  private static func label(_ value: Double) -> String { String(format: "%.3g", value) }
}
