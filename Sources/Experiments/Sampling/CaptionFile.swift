// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets

/// `captions.csv`: the text that each sample was drawn for, in the order of the samples, and, where combinations were
/// kept back from training, whether it has one of these (`unseen`) or not (`seen`).
struct CaptionFile {
  static let name = "captions.csv"

  /// A text for each sample.
  let texts: [String]
  private let combinations: [String]?

  /// - Returns: nil where samples were told no texts.
  init?(_ conditions: Conditions, of data: any DataSource, count: Int) {
    var texts: [String] = []
    switch conditions {
    case .all(.text(let text)): texts = Array(repeating: text, count: count)
    case .texts(let all): texts = Array(all.prefix(count))
    default: return nil
    }
    self.texts = texts
    combinations = Self.combinations(texts.map { .text($0) }, of: data)
  }

  /// Whether training rows have what conditions combine; nil where nothing is kept back.
  static func combinations(_ conditions: [Condition], of data: any DataSource) -> [String]? {
    let seen = conditions.map { data.isSeen($0) }
    guard seen.contains(where: { $0 != nil }) else { return nil }
    return seen.map { $0.map { $0 ? "seen" : "unseen" } ?? "" }
  }

  /// Writes the table, or removes that of an earlier run where there is nothing to say.
  static func write(_ captions: CaptionFile?, to folder: ResultsFolder) throws {
    guard let captions else { return folder.remove(name) }
    var table = CSVText(columns: captions.combinations == nil ? ["caption"] : ["caption", "combination"])
    for (row, text) in captions.texts.enumerated() {
      table.add([text] + (captions.combinations.map { [$0[row]] } ?? []))
    }
    try folder.write(table.text, to: name)
  }
}
