// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Glibc

/// Paints scenes of 32 × 32 pixels: handwritten digits, enlarged smoothly and coloured, on a dark ground.
struct ScenePainter: Sendable {
  /// The height and the width of a scene.
  static let size = 32
  /// How many values a scene has: height, width, colour.
  static let dimension = size * size * 3
  /// How many uniforms a scene takes: 4 of the ground, 4 of the colour of each group, 1 of the arrangement of each, and
  /// 4 of each digit.
  static let uniforms = 4 + 2 * 4 + 2 + 3 * 4

  /// The digits of 8 × 8 values in 0…1, one behind the other, by what they are.
  private let glyphs: [[Double]]

  /// - Parameters:
  ///   - digits: rows of 64 values in [−1, 1].
  ///   - labels: what each is.
  init(digits: Batch, labels: [Int]) {
    var glyphs = [[Double]](repeating: [], count: 10)
    for (row, label) in labels.enumerated() { glyphs[label] += digits.row(row).map { ($0 + 1) / 2 } }
    precondition(glyphs.allSatisfy { !$0.isEmpty }, "every digit")
    self.glyphs = glyphs
  }

  /// Red, green and blue of a colour, in 0…1.
  private static func color(_ colour: SceneCaption.Colour) -> SIMD3<Double> {
    switch colour {
    case .red: [0.95, 0.16, 0.14]
    case .green: [0.15, 0.85, 0.25]
    case .blue: [0.22, 0.38, 1]
    case .yellow: [1, 0.88, 0.1]
    case .purple: [0.85, 0.25, 0.9]
    case .white: [0.95, 0.95, 0.95]
    }
  }

  private struct Box {
    var top, left, height, width: Double
  }

  /// Paints a scene, as bytes of red, green and blue.
  ///
  /// A group has the whole, or the half that its place says. Digits stand in quarters of 16 × 16 pixels; one that has a
  /// half or the whole for itself may stand anywhere in it. Two digits of a single group are side by side or one above
  /// the other; of three, one quarter stays empty. A digit is 0.78 to 0.93 of its quarter high, and at most 17 pixels.
  /// - Parameters:
  ///   - caption: what is to be seen.
  ///   - u: `uniforms` uniforms in [0, 1).
  ///   - bytes: memory for `dimension` of them.
  func paint(_ caption: SceneCaption, _ u: UnsafePointer<Double>, into bytes: UnsafeMutablePointer<UInt8>) {
    withUnsafeTemporaryAllocation(of: SIMD3<Double>.self, capacity: Self.size * Self.size) { pixels in
      guard let canvas = pixels.baseAddress else { return }
      // Dark, and not quite gray.
      let ground = SIMD3(repeating: 0.02 + 0.1 * u[0]) + 0.04 * (SIMD3(u[1], u[2], u[3]) - 0.5)
      for i in 0..<Self.size * Self.size {
        (canvas + i).initialize(to: ground.clamped(lowerBound: .zero, upperBound: .one))
      }
      var digit = 0
      for (index, group) in caption.groups.enumerated() {
        let v = u + 4 + 5 * index
        let jitter = 0.08 * (SIMD3(v[1], v[2], v[3]) - 0.5)
        let color = (Self.color(group.colour) * (0.85 + 0.15 * v[0]) + jitter).clamped(
          lowerBound: .zero, upperBound: .one)
        let whole = Self.half(caption.place, isFirst: index == 0)
        for box in Self.boxes(group.count, in: whole, arrangement: v[4]) {
          paint(group.digit, color, in: box, u + 14 + 4 * digit, on: canvas)
          digit += 1
        }
      }
      for i in 0..<Self.size * Self.size {
        for c in 0..<3 { bytes[3 * i + c] = UInt8((255 * canvas[i][c]).rounded()) }
      }
    }
  }

  /// Paints one digit in a box.
  private func paint(
    _ digit: Int, _ color: SIMD3<Double>, in box: Box, _ u: UnsafePointer<Double>,
    on canvas: UnsafeMutablePointer<SIMD3<Double>>
  ) {
    let height = min(box.height, box.width, 18) * (0.78 + 0.15 * u[0])
    let top = box.top + u[1] * (box.height - height)
    let left = box.left + u[2] * (box.width - height)
    let glyphs = glyphs[digit]
    let count = glyphs.count / 64
    let glyph = min(Int(u[3] * Double(count)), count - 1) * 64
    // Cubic interpolation reaches two samples beyond the digit, which are empty.
    let reach = height / 4
    func pixels(from start: Double) -> ClosedRange<Int> {
      let (low, high) = (Int((start - reach).rounded(.down)), Int((start + height + reach).rounded(.up)))
      return max(0, low)...min(Self.size - 1, high)
    }
    let (rows, columns) = (pixels(from: top), pixels(from: left))
    for y in rows {
      let (firstRow, rowWeights) = Self.weights(y, from: top, size: height)
      for x in columns {
        let (firstColumn, columnWeights) = Self.weights(x, from: left, size: height)
        var value = 0.0
        for i in 0..<4 where firstRow + i >= 0 && firstRow + i < 8 {
          for j in 0..<4 where firstColumn + j >= 0 && firstColumn + j < 8 {
            value += rowWeights[i] * columnWeights[j] * glyphs[glyph + 8 * (firstRow + i) + firstColumn + j]
          }
        }
        let opacity = min(1, max(0, value))
        let place = y * Self.size + x
        canvas[place] += opacity * (color - canvas[place])
      }
    }
  }

  /// Where a group stands.
  private static func half(_ place: SceneCaption.Place?, isFirst: Bool) -> Box {
    let (whole, half) = (Double(size), Double(size) / 2)
    switch place {
    case nil: return Box(top: 0, left: 0, height: whole, width: whole)
    case .above, .below:
      return Box(top: (place == .above) == isFirst ? 0 : half, left: 0, height: half, width: whole)
    case .left, .right:
      return Box(top: 0, left: (place == .left) == isFirst ? 0 : half, height: whole, width: half)
    }
  }

  /// A box for each digit of a group.
  /// - Parameter arrangement: a uniform: of two digits that have the whole, whether they are side by side; of three,
  ///   which quarter stays empty.
  private static func boxes(_ count: Int, in box: Box, arrangement: Double) -> [Box] {
    let (height, width) = (box.height / 2, box.width / 2)
    switch count {
    case 1: return [box]
    case 2:
      let isSideBySide = box.height == box.width ? arrangement < 0.5 : box.width > box.height
      return (0..<2).map { k in
        let shift = Double(k)
        return isSideBySide
          ? Box(top: box.top, left: box.left + shift * width, height: box.height, width: width)
          : Box(top: box.top + shift * height, left: box.left, height: height, width: box.width)
      }
    default:
      let empty = min(Int(4 * arrangement), 3)
      return (0..<4).filter { $0 != empty }.map {
        Box(
          top: box.top + Double($0 / 2) * height, left: box.left + Double($0 % 2) * width, height: height, width: width)
      }
    }
  }

  /// The four samples of a digit's eight that make a pixel, by Catmull and Rom's cubic.
  /// - Returns: the index of the first sample, which may lie outside, and the weights.
  private static func weights(_ pixel: Int, from start: Double, size: Double) -> (first: Int, SIMD4<Double>) {
    let place = (Double(pixel) + 0.5 - start) * 8 / size - 0.5
    let sample = place.rounded(.down)
    let f = place - sample
    let (f2, f3) = (f * f, f * f * f)
    return (
      Int(sample) - 1,
      SIMD4(-0.5 * f + f2 - 0.5 * f3, 1 - 2.5 * f2 + 1.5 * f3, 0.5 * f + 2 * f2 - 1.5 * f3, -0.5 * f2 + 0.5 * f3)
    )
  }
}
