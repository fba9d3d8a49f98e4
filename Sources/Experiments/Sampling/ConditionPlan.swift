// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets

/// What a config says of the conditions of its samples: `sampling.condition`.
public enum ConditionPlan: Sendable, Equatable {
  /// Classes in turn where the score knows classes, and nothing where it knows nothing.
  case auto
  /// Row i has class i mod n of the n classes that the score has learned, in rising order.
  case inTurn
  /// All rows have this one.
  case constant(Condition)
  /// Row i has text i mod n of these n.
  case texts([String])
  /// A CSV file with the condition of a row in each line.
  case file(String)
  /// Row i has what row i mod n of the data has, of n rows.
  case rows(Part)

  /// The rows of the data whose conditions samples have.
  public enum Part: String, Sendable, CaseIterable {
    /// Those to judge by: samples and held-out rows are then of the same conditions.
    case heldOut = "held-out"
    /// Those to learn from.
    case training

    fileprivate func conditions(of data: Dataset) -> (conditions: Conditions, count: Int) {
      switch self {
      case .heldOut: (data.heldOutConditions, data.heldOutRows.count)
      case .training: (data.trainingConditions, data.trainingRows.count)
      }
    }
  }

  private static let allowed =
    "{class: 7}, {class: in-turn}, {numbers: [0.5, 1]}, {class: 7, numbers: [0.5]}, {text: a red tower}, {text: [a, b]}, "
    + "{csv: FILE} with a line for each row, {rows: held-out}, nothing, or auto"

  /// Reads `sampling.condition`, and its old name `class`.
  init(_ options: Options) throws {
    let isOld = try options.isRenamed("class", to: "condition", write: "condition: {class: …}")
    if isOld {
      self = try Self.classes(options)
      options.moveLast(under: "condition")
    } else {
      let (word, section) = try options.section(
        "condition", orOneOf: ["auto", "nothing"], allowed: Self.allowed,
        "what a conditional network is told of each sample; auto: classes in turn, else nothing")
      if let section {
        self = try Self.read(section)
        try section.finish()
      } else {
        self = word == "nothing" ? .constant(.nothing) : .auto
      }
    }
  }

  /// Refuses what a score cannot be told.
  /// - Parameters:
  ///   - options: those that were read.
  ///   - shape: what the score can be told; nil where that is not known yet.
  ///   - classes: those that it learns; nil: all.
  func check(_ options: Options, shape: ConditionShape?, occurring classes: [Int]? = nil) throws {
    guard let shape, !options.isDescribing, let complaint = complaint(shape, classes) else { return }
    throw options.wrong(options.has("class") ? "class" : "condition", complaint)
  }

  private static let keys = ["class", "numbers", "text", "csv", "rows"]

  private static func read(_ section: Options) throws -> ConditionPlan {
    if !section.isDescribing && !keys.contains(where: section.has) {
      for key in keys { section.declare(key, "", nil, "", "") }
      try section.finish()
      throw section.wrong("", "says nothing; allowed: \(allowed)")
    }
    if section.has("class"), section.has("numbers") {
      guard case .constant(.label(let label)) = try classes(section) else {
        throw section.wrong("class", "is in-turn beside numbers; allowed: a whole number, or csv for rows of their own")
      }
      let numbers = try section.numbers("numbers", "known of every sample")
      return .constant(.both(label: label, numbers: numbers))
    }
    return try section.oneOf([
      ("class", { try classes($0) }),
      ("numbers", { .constant(.numbers(try $0.numbers("numbers", "known of every sample"))) }),
      (
        "text",
        {
          let texts = try $0.texts(
            "text", example: ["a red tower"], allowsEmpty: true,
            "known of every sample; of several, each sample has the next in turn")
          return texts.count == 1 ? .constant(.text(texts[0])) : .texts(texts)
        }
      ),
      ("csv", { .file(try $0.file("csv", "the condition of a sample in each line, relative to the config")) }),
      (
        "rows",
        {
          .rows(try $0.choice("rows", default: Part.heldOut, "of the data: a sample has the condition of each in turn"))
        }
      ),
    ])
  }

  /// `class: 7`, or `class: in-turn`.
  private static func classes(_ options: Options) throws -> ConditionPlan {
    guard
      let label = try options.number(
        "class", or: "in-turn", in: .nonNegative, "of every sample; or those that occur, in turn")
    else { return .inTurn }
    guard label == label.rounded(), label < 1e9 else {
      throw options.wrong("class", "is \(written(label)); allowed: whole numbers, or in-turn")
    }
    return .constant(.label(Int(label)))
  }

  /// What is wrong with it for a score that can be told so much; nil: nothing.
  private func complaint(_ shape: ConditionShape, _ classes: [Int]?) -> String? {
    switch self {
    case .auto: return nil
    case .inTurn:
      if case .both(_, let numbers) = shape {
        return "is in-turn; the network wants \(numbers) numbers beside a class"
      }
      return shape.classCount > 0 || shape == .nothing ? nil : "is in-turn; the network knows no classes"
    case .texts: return shape == .text ? nil : "is texts; the network knows \(shape.text)"
    case .file: return shape == .nothing ? "is a file; the network knows no conditions" : nil
    case .rows: return shape == .nothing ? "is that of rows; the network knows no conditions" : nil
    case .constant(let condition):
      if let label = condition.label, shape.contains(condition), let classes, !classes.contains(label) {
        return "is class \(label), which no row to learn from has; allowed: \(classes.listed), or in-turn"
      }
      if shape.contains(condition) { return nil }
      switch (condition, shape) {
      case (.label(let label), .classes(let count)),
        (.both(let label, _), .both(let count, _)) where label >= count:
        return "is class \(label); allowed: whole numbers below \(count), or in-turn"
      case (.label, .both(let count, let numbers)):
        return "is a class alone; the network wants a class of \(count) and \(numbers) numbers"
      case (.label(let label), _): return "is class \(label); the network knows no classes"
      case (.numbers(let values), .numbers(let count)):
        return "has \(values.count) numbers; the network knows \(count)"
      default: return "is not what the network knows: \(shape.text)"
      }
    }
  }

  /// The conditions of samples.
  /// - Parameters:
  ///   - source: the score that is told them.
  ///   - count: how many samples there are.
  ///   - data: the rows whose conditions they may have.
  /// - Throws: `InputError` for conditions that the score does not know, and where it asks for one and none is said.
  func conditions(for source: ScoreSource, count: Int, of data: Dataset) throws -> Conditions {
    if let complaint = complaint(source.conditionShape, source.occurringClasses) {
      throw InputError(complaint, at: "sampling.condition")
    }
    func nothing() throws -> Conditions {
      guard source.knowsNothing else {
        throw InputError(
          "is nothing; the network wants \(source.conditionShape.text), or is to be trained with condition_dropout",
          at: "sampling.condition")
      }
      return .nothing
    }
    switch self {
    case .auto, .inTurn:
      guard case .classes(let classes) = source.conditionShape else { return try nothing() }
      guard let occurring = source.occurringClasses else { return .inTurn(classes: classes) }
      let rows = try padded(count, source, given: .all(.label(occurring[0])))
      return .labels((0..<rows).map { occurring[$0 % occurring.count] })
    case .constant(.nothing): return try nothing()
    case .constant(let condition): return .all(condition)
    case .texts(let texts):
      let rows = try padded(count, source, given: .all(.text(texts[0])))
      return .texts((0..<rows).map { texts[$0 % texts.count] })
    case .file(let path):
      let conditions = try Conditions(reading: path, as: source.conditionShape)
      if let lines = conditions.count, lines < count {
        throw InputError("\(lines) conditions for \(count) samples", at: path)
      }
      if let line = (0..<count).first(where: { !source.knows(conditions[$0]) }),
        let label = conditions[line].label
      {
        throw InputError(
          "class \(label) of sample \(line + 1), which no row to learn from has; allowed: \(source.conditionText)",
          at: path)
      }
      return conditions.only(try (0..<padded(count, source, given: conditions)).map { min($0, count - 1) })
    case .rows(let part):
      let (conditions, rows) = part.conditions(of: data)
      guard conditions != .nothing, rows > 0 else {
        throw InputError("is that of \(part.rawValue) rows, of which nothing is known", at: "sampling.condition")
      }
      if let row = (0..<min(rows, count)).first(where: { !source.knows(conditions[$0]) }) {
        throw InputError(
          "\(part.rawValue) row \(row + 1) has a condition that the network does not know; allowed: "
            + source.conditionText, at: "sampling.condition")
      }
      let turn = min(rows, count)
      return conditions.only(try (0..<padded(count, source, given: conditions)).map { $0 % turn })
    }
  }

  /// The last shard is drawn as a whole: the rows that are left out of the samples have a condition, too.
  private func padded(_ count: Int, _ source: ScoreSource, given conditions: Conditions) throws -> Int {
    let size = try source.score(given: conditions).shardRows
    return (count + size - 1) / size * size
  }

  /// The texts that it names, those of a file among them.
  var texts: [String] {
    switch self {
    case .constant(.text(let text)): return [text]
    case .texts(let texts): return texts
    case .file(let path):
      // What is wrong with a file is told where its conditions are taken.
      if case .texts(let texts)? = try? Conditions(reading: path, as: .text) { return texts }
      return []
    default: return []
    }
  }

  /// Whether it is known to say nothing of samples, to a score that can be told so much.
  /// - Parameter shape: nil where that is not known yet.
  func isNothing(for shape: ConditionShape?) -> Bool {
    switch self {
    case .constant(.nothing): return true
    case .auto:
      if case .classes? = shape { return false }
      return shape != nil
    default: return false
    }
  }

  /// Whether it says the same of every row, and so also of rows that are given.
  var isConstant: Bool { if case .constant = self { true } else { false } }
}

extension [Int] {
  /// The first of many, for people.
  var listed: String { prefix(20).map(String.init).joined(separator: ", ") + (count > 20 ? ", …" : "") }
}

extension ConditionShape {
  /// For people.
  var text: String {
    switch self {
    case .nothing: "nothing"
    case .classes(let count): "a class of \(count)"
    case .numbers(let count): "\(count) numbers"
    case .both(let classes, let count): "a class of \(classes) and \(count) numbers"
    case .text: "a text"
    }
  }
}
