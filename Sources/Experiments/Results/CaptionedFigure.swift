// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Plots

/// The first images of a batch, up to 16, each under its caption.
struct CaptionedFigure {
  private static let (columns, most) = (4, 16)
  /// How many characters a line of a caption has at most, and how many lines there are.
  private static let (lineLength, lineCount) = (24, 3)

  private let images: Batch
  private let shape: ImageShape
  private let captions: [String]
  private let total: Int

  /// - Parameters:
  ///   - images: rows that are images of a shape.
  ///   - captions: one for each of them.
  init(_ images: Batch, shape: ImageShape, captions: [String]) {
    self.images = images.prefix(Self.most)
    (self.shape, self.captions, total) = (shape, captions, images.count)
  }

  /// The figure of a solver's samples.
  func figure(solver: String) -> Figure {
    let count = images.count
    let columns = min(Self.columns, max(1, count))
    let rows = max(1, (count + columns - 1) / columns)
    let panels = (0..<rows).map { row in
      (0..<columns).map { column -> Axes? in
        let index = row * columns + column
        guard index < count else { return nil }
        let picture = Picture.grid(
          images.rows(index..<index + 1), shape: shape, columns: 1, isCompact: true,
          zoom: max(1, 160 / max(shape.width, shape.height)))
        return Axes(picture: picture.raster, title: Self.lines(captions[index]).joined(separator: "\n"))
      }
    }
    let title = count < total ? "\(solver): \(count) of \(total)" : solver
    return Figure(title: title, panels: panels, width: 1.7 * Double(columns) + 0.2, height: 1.9 * Double(rows) + 0.4)
  }

  /// A caption in lines of some length, broken at blanks; what does not fit is left out.
  static func lines(_ caption: String) -> [String] {
    var lines: [String] = []
    for word in caption.split(whereSeparator: \.isWhitespace) {
      if let last = lines.last, last.count + 1 + word.count <= lineLength {
        lines[lines.count - 1] = "\(last) \(word)"
      } else if lines.count == lineCount {
        lines[lineCount - 1] += " …"
        break
      } else {
        lines.append(String(word))
      }
    }
    return lines
  }
}
