// SPDX-License-Identifier: GPL-3.0-or-later

/// What is to be seen in a scene: one group of digits, or two and how they stand to each other.
///
/// As text it is `COUNT COLOUR DIGIT`, or two of these with a place between them: "three white ones", "two red sevens
/// above a green three". COUNT is a, two or three; a digit is in the plural after two and three.
public struct SceneCaption: Sendable, Hashable {
  /// The colours that digits have.
  public enum Colour: Int, Sendable, CaseIterable {
    /// In this order; their numbers are part of the rule of `isKeptBack`.
    case red, green, blue, yellow, purple, white

    /// What a caption calls it.
    var word: String { "\(self)" }
  }

  /// How the first group stands to the second.
  public enum Place: String, Sendable, CaseIterable {
    /// The first is in the upper half, the second in the lower.
    case above
    /// The first is in the lower half.
    case below
    /// The first is in the left half.
    case left = "left of"
    /// The first is in the right half.
    case right = "right of"
  }

  /// Equal digits of one colour.
  public struct Group: Sendable, Hashable {
    /// 1 to 3.
    public let count: Int
    /// The colour of all of them.
    public let colour: Colour
    /// 0 to 9.
    public let digit: Int

    /// - Precondition: 1 to 3 digits from 0 to 9.
    public init(count: Int, colour: Colour, digit: Int) {
      precondition((1...3).contains(count) && (0...9).contains(digit), "one to three digits")
      (self.count, self.colour, self.digit) = (count, colour, digit)
    }

    /// The pair is kept back where the digit, modulo 6, is the number of the colour: each colour lacks one digit or
    /// two, each digit one colour.
    public var isKeptBack: Bool { digit % Colour.allCases.count == colour.rawValue }

    var text: String {
      let (single, plural) = SceneCaption.digitWords[digit]
      return "\(SceneCaption.countWords[count - 1]) \(colour.word) \(count == 1 ? single : plural)"
    }
  }

  /// The first group, and the second where there is one.
  public let groups: [Group]
  /// How the first stands to the second; nil: there is one group.
  public let place: Place?

  /// One group.
  public init(_ group: Group) { (groups, place) = ([group], nil) }

  /// Two groups of different colours.
  /// - Precondition: together they have at most 3 digits.
  public init(_ first: Group, _ place: Place, _ second: Group) {
    precondition(first.colour != second.colour && first.count + second.count <= 3, "two colours, three digits")
    (groups, self.place) = ([first, second], place)
  }

  /// Whether no training row combines what this caption combines: a colour and a digit that are kept back as a pair, or
  /// a place and counts that are (`keepsBack`).
  public var isKeptBack: Bool {
    groups.contains(where: \.isKeptBack) || place.map { Self.keepsBack($0, groups.map(\.count)) } ?? false
  }

  /// Two digits below one, and one left of two, are kept back.
  static func keepsBack(_ place: Place, _ counts: [Int]) -> Bool {
    place == .below && counts == [2, 1] || place == .left && counts == [1, 2]
  }

  // MARK: Text

  static let countWords = ["a", "two", "three"]

  static let digitWords = [
    ("zero", "zeros"), ("one", "ones"), ("two", "twos"), ("three", "threes"), ("four", "fours"), ("five", "fives"),
    ("six", "sixes"), ("seven", "sevens"), ("eight", "eights"), ("nine", "nines"),
  ]

  /// Every word that a caption can have, each once.
  public static let words: [String] = {
    var words = countWords + Colour.allCases.map(\.word) + digitWords.flatMap { [$0.0, $0.1] }
    words += Place.allCases.flatMap { $0.rawValue.split(separator: " ").map(String.init) }
    var seen: Set<String> = []
    return words.filter { seen.insert($0).inserted }
  }()

  /// One of the captions of the most words, 8.
  static let longest = SceneCaption(
    Group(count: 2, colour: .red, digit: 7), .right, Group(count: 1, colour: .green, digit: 3))

  /// The caption in words.
  public var text: String { groups.map(\.text).joined(separator: place.map { " \($0.rawValue) " } ?? "") }

  /// Reads a caption.
  /// - Returns: nil for a text that is not exactly one of this grammar.
  public init?(_ text: String) {
    let words = text.split(separator: " ", omittingEmptySubsequences: false).map(String.init)
    guard words.count >= 3, let first = Self.group(words.prefix(3)) else { return nil }
    if words.count == 3 {
      self.init(first)
      return
    }
    guard words.count >= 7, let second = Self.group(words.suffix(3)),
      let place = Place(rawValue: words[3..<words.count - 3].joined(separator: " ")),
      first.colour != second.colour, first.count + second.count <= 3
    else { return nil }
    self.init(first, place, second)
  }

  private static func group(_ words: ArraySlice<String>) -> Group? {
    let words = Array(words)
    guard let count = countWords.firstIndex(of: words[0]),
      let colour = Colour.allCases.first(where: { $0.word == words[1] }),
      let digit = digitWords.firstIndex(where: { (count == 0 ? $0.0 : $0.1) == words[2] })
    else { return nil }
    return Group(count: count + 1, colour: colour, digit: digit)
  }
}
