// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// The characters of a formula and a place among them: what every reader of formulas has in common, whatever its
/// grammar is.
public protocol FormulaScanner {
  /// The formula.
  var characters: [Character] { get }
  /// Where the reader stands, from 0.
  var place: Int { get set }
}

extension FormulaScanner {
  /// An error that names a character, from 1.
  /// - Parameters:
  ///   - message: what was found, and what is allowed.
  ///   - place: of the character, from 0; default: where the reader stands.
  public func wrong(_ message: String, at place: Int? = nil) -> InputError {
    InputError("character \((place ?? self.place) + 1): \(message)")
  }

  /// The next character that is not blank; nil at the end.
  public var next: Character? {
    mutating get {
      while place < characters.count, characters[place].isWhitespace { place += 1 }
      return place < characters.count ? characters[place] : nil
    }
  }

  /// Passes a character, if it is the next one.
  public mutating func take(_ character: Character) -> Bool {
    guard next == character else { return false }
    place += 1
    return true
  }

  /// Passes a character.
  /// - Throws: `InputError` where another one is next; `about` says what it is for.
  public mutating func expect(_ character: Character, _ about: String) throws {
    guard take(character) else {
      throw wrong("\(next.map { "'\($0)'" } ?? "the end"); expected '\(character)' \(about)")
    }
  }

  /// Whether it is one of 0 to 9.
  public func isDigit(_ c: Character) -> Bool { c >= "0" && c <= "9" && c.isASCII }

  /// Whether a name may begin with it.
  public func isLetter(_ c: Character) -> Bool { c.isASCII && c.isLetter || c == "_" }

  /// Passes a number, which begins at the place with a digit or a point: digits, a point, an exponent.
  /// - Throws: `InputError` for what is no finite number.
  public mutating func takeNumber() throws -> Double {
    let start = place
    func character(_ place: Int) -> Character? { place < characters.count ? characters[place] : nil }
    while let c = character(place), isDigit(c) || c == "." { place += 1 }
    // An exponent, if digits follow: `2e` is a number and a name.
    if let c = character(place), c == "e" || c == "E" {
      let sign = character(place + 1).map { $0 == "+" || $0 == "-" } ?? false
      if let digit = character(place + (sign ? 2 : 1)), isDigit(digit) {
        place += sign ? 2 : 1
        while let c = character(place), isDigit(c) { place += 1 }
      }
    }
    let text = String(characters[start..<place])
    guard let value = Double(text), value.isFinite else {
      throw wrong("'\(text)' is not a finite number", at: start)
    }
    return value
  }

  /// Passes a name, which begins at the place: letters and digits.
  public mutating func takeName() -> String {
    let start = place
    while place < characters.count, isLetter(characters[place]) || isDigit(characters[place]) { place += 1 }
    return String(characters[start..<place])
  }
}
