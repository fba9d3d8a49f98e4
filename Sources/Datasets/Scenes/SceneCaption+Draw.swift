// SPDX-License-Identifier: GPL-3.0-or-later

extension SceneCaption {
  /// Which captions are drawn.
  enum Choice: Sendable {
    /// Any.
    case all
    /// Those whose combinations training rows have.
    case seen
    /// Those with a combination that no training row has.
    case keptBack
  }

  /// How many uniforms a draw takes.
  static let uniformsOfDraw = 5

  /// The share of captions of one group.
  static let singleShare = 0.3

  /// Every pair of a colour and a digit.
  private static let pairs = Colour.allCases.flatMap { colour in
    (0...9).map { Group(count: 1, colour: colour, digit: $0) }
  }

  /// Every place with the counts of two groups.
  private static let layouts = Place.allCases.flatMap { place in
    [[1, 1], [2, 1], [1, 2]].map { (place: place, counts: $0) }
  }

  /// Draws a caption.
  ///
  /// Three in ten have one group, of one to three digits with equal chances. The others have two: a place and counts
  /// are drawn evenly of those allowed, then a colour and digit for each, the second of another colour than the first.
  /// A caption that is kept back is so for one reason, which is drawn first: in a single group its colour and digit; in
  /// two groups those of the first, those of the second, or the place and counts.
  /// - Parameters:
  ///   - u: `uniformsOfDraw` uniforms in [0, 1).
  ///   - choice: which captions are drawn.
  static func draw(_ u: UnsafePointer<Double>, _ choice: Choice) -> SceneCaption {
    func pick<Value>(_ values: [Value], _ uniform: Double) -> Value {
      values[min(Int(uniform * Double(values.count)), values.count - 1)]
    }
    func group(_ count: Int, _ uniform: Double, isReason: Bool, but colour: Colour? = nil) -> Group {
      let pair = pick(
        pairs.filter { $0.colour != colour && (choice == .all || $0.isKeptBack == isReason) }, uniform)
      return Group(count: count, colour: pair.colour, digit: pair.digit)
    }
    let isKeptBack = choice == .keptBack
    if u[0] < singleShare { return SceneCaption(group(pick([1, 2, 3], u[1]), u[2], isReason: isKeptBack)) }
    let reason = isKeptBack ? pick([0, 1, 2], u[4]) : nil
    let layout = pick(layouts.filter { choice == .all || keepsBack($0.place, $0.counts) == (reason == 2) }, u[1])
    let first = group(layout.counts[0], u[2], isReason: reason == 0)
    let second = group(layout.counts[1], u[3], isReason: reason == 1, but: first.colour)
    return SceneCaption(first, layout.place, second)
  }
}
