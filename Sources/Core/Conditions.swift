// SPDX-License-Identifier: GPL-3.0-or-later

/// What is known of a row besides x. Nothing is a value of its own: a network may be trained on rows whose condition
/// was dropped, and guidance asks for the score without one.
public enum Condition: Sendable, Equatable {
  /// Nothing is known, or what was known is dropped.
  case nothing
  /// A class, from 0.
  case label(Int)
  /// Several numbers.
  case numbers([Double])
  /// A class, from 0, and several numbers beside it.
  case both(label: Int, numbers: [Double])
  /// A text.
  case text(String)
}

extension Condition {
  /// The class, where there is one.
  public var label: Int? {
    switch self {
    case .label(let label), .both(let label, _): label
    case .nothing, .numbers, .text: nil
    }
  }
}

extension Condition {
  /// The text, where there is one.
  public var text: String? { if case .text(let text) = self { text } else { nil } }
}

/// Which conditions the rows of some data have, or a network is told.
public enum ConditionShape: Sendable, Equatable {
  /// Rows have no condition.
  case nothing
  /// A class of so many.
  case classes(Int)
  /// So many numbers.
  case numbers(Int)
  /// A class of so many, and so many numbers.
  case both(classes: Int, numbers: Int)
  /// A text of any length.
  case text

  /// How many classes there are; 0 for other shapes.
  public var classCount: Int {
    switch self {
    case .classes(let count), .both(let count, _): count
    case .nothing, .numbers, .text: 0
    }
  }

  /// Whether a condition has this shape. Nothing has every shape.
  public func contains(_ condition: Condition) -> Bool {
    switch (self, condition) {
    case (_, .nothing), (.text, .text): true
    case (.classes(let count), .label(let label)): label >= 0 && label < count
    case (.numbers(let count), .numbers(let values)): values.count == count
    case (.both(let classes, let count), .both(let label, let values)):
      label >= 0 && label < classes && values.count == count
    default: false
    }
  }
}

/// A condition for every row, keyed by the row's index as noise is: a row has the same one in whatever shard it is.
public indirect enum Conditions: Sendable, Equatable {
  /// The same for all rows.
  case all(Condition)
  /// Row i has class i mod the number of classes.
  case inTurn(classes: Int)
  /// Row i has class `labels[i]`.
  case labels([Int])
  /// Row i has the numbers of row i.
  case numbers(Batch)
  /// Row i has class `labels[i]`, and the numbers of row i.
  case both(labels: [Int], numbers: Batch)
  /// Row i has text i.
  case texts([String])
  /// Row i has what number i mod n of these n says of row i / n: several branches of a guidance, or particles, that go
  /// through a network in one batch.
  case interleaved([Conditions])

  /// No row has one.
  public static let nothing = Conditions.all(.nothing)

  /// The condition of a row.
  /// - Precondition: the row is one of those that are listed, where they are.
  public subscript(row: Int) -> Condition {
    switch self {
    case .all(let condition): condition
    case .inTurn(let classes): .label(row % classes)
    case .labels(let labels): .label(labels[row])
    case .numbers(let values): .numbers(Array(values.row(row)))
    case .both(let labels, let values): .both(label: labels[row], numbers: Array(values.row(row)))
    case .texts(let texts): .text(texts[row])
    case .interleaved(let parts): parts[row % parts.count][row / parts.count]
    }
  }

  /// How many rows are listed; nil where any row has one.
  public var count: Int? {
    switch self {
    case .all, .inTurn: nil
    case .labels(let labels): labels.count
    case .numbers(let values): values.count
    case .both(let labels, let values): min(labels.count, values.count)
    case .texts(let texts): texts.count
    case .interleaved(let parts): parts.compactMap(\.count).min().map { $0 * parts.count }
    }
  }

  /// The class of every row, where each has one of its own; nil for other conditions.
  public var listedClasses: [Int]? {
    switch self {
    case .labels(let labels), .both(let labels, _): labels
    default: nil
    }
  }

  /// The conditions of some rows, in the order given.
  public func only(_ rows: [Int]) -> Conditions {
    switch self {
    case .all: self
    case .inTurn(let classes): .labels(rows.map { $0 % classes })
    case .labels(let labels): .labels(rows.map { labels[$0] })
    case .numbers(let values):
      .numbers(Batch(values: rows.flatMap { values.row($0) }, dimension: values.dimension))
    case .both(let labels, let values):
      .both(
        labels: rows.map { labels[$0] },
        numbers: Batch(values: rows.flatMap { values.row($0) }, dimension: values.dimension))
    case .texts(let texts): .texts(rows.map { texts[$0] })
    case .interleaved: .interleaved(rows.map { .all(self[$0]) })
    }
  }
}
