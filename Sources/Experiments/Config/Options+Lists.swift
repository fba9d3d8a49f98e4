// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Yams

/// Lists, tables and named numbers.
extension Options {
  /// A list of whole numbers.
  /// - Parameters:
  ///   - key: the option's name.
  ///   - defaultValue: what a missing option stands for; nil: the option is required.
  ///   - low: the smallest number allowed.
  ///   - about: what the option means, for the listing and the docs.
  public func integers(
    _ key: String, default defaultValue: [Int]? = nil, atLeast low: Int, _ about: String
  ) throws -> [Int] {
    let allowed = "whole numbers of \(low) or more"
    declare(
      key, "list of integers", defaultValue.map { "[\($0.map(String.init).joined(separator: ", "))]" }, allowed, about)
    let values: [Int]
    if let node = try child(key, required: defaultValue == nil) {
      guard let sequence = node.sequence, !sequence.isEmpty else { throw wrong(key, "is not a list of \(allowed)") }
      values = try sequence.map { element in
        guard let text = element.scalar?.string, let value = Spelling.integer(text), value >= low, value <= 1_000_000
        else {
          throw wrong(key, "holds '\(element.scalar?.string ?? "a list")'; allowed: \(allowed)")
        }
        return value
      }
    } else {
      values = defaultValue ?? [low]
    }
    resolved.append((key, .scalar("[\(values.map(String.init).joined(separator: ", "))]")))
    return values
  }

  /// A list of options that are each of a kind: mappings with `kind`, or bare names. The resolved config has it where
  /// it is given.
  public func kinds<Value>(
    _ key: String, of kinds: Kinds<Value>, in catalogue: Catalogue, _ about: String
  ) throws -> [Value] {
    declare(key, "list of kinds", "[]", kinds.names.joined(separator: ", "), about)
    guard let found = try child(key, required: false) else { return [] }
    guard let sequence = found.sequence else {
      throw wrong(key, "is not a list; allowed: a list of names, or of mappings with kind")
    }
    var sections: [Options] = []
    let values = try sequence.enumerated().map { index, element in
      let mapping = element.mapping == nil ? Node.mapping(Node.Mapping([(Node("kind"), element)])) : element
      let options = Options(mapping, path: join("\(key).\(index)"), source: source)
      let value = try options.kind(of: kinds, in: catalogue)
      try options.finish(also: ["kind"])
      sections.append(options)
      return value
    }
    if !sections.isEmpty { resolved.append((key, .list(sections))) }
    return values
  }

  /// A list of whole numbers that may be missing; `null` in the listing.
  /// - Parameters:
  ///   - key: the option's name.
  ///   - low: the smallest number allowed.
  ///   - about: what the option means, for the listing and the docs.
  public func optionalIntegers(_ key: String, atLeast low: Int, _ about: String) throws -> [Int]? {
    guard value(of: key) == nil else { return try integers(key, atLeast: low, about) }
    declare(key, "list of integers", "null", "whole numbers of \(low) or more", about)
    return absent(key)
  }

  /// A list of texts that may be missing; `null` in the listing.
  public func optionalTexts(_ key: String, allowed: String, _ about: String) throws -> [String]? {
    declare(key, "list of texts", "null", allowed, about)
    guard let found = try child(key, required: false) else { return absent(key) }
    guard let sequence = found.sequence, !sequence.isEmpty else { throw wrong(key, "is not a list of \(allowed)") }
    let values = try sequence.map { element in
      guard let text = element.scalar?.string, !text.isEmpty else { throw wrong(key, "is not a list of \(allowed)") }
      return text
    }
    resolved.append((key, .scalar("[\(values.map(Self.quoted).joined(separator: ", "))]")))
    return values
  }

  /// A list of texts; a single one may stand alone.
  public func texts(
    _ key: String, example: [String], allowsEmpty: Bool = false, _ about: String
  ) throws -> [String] {
    let allowed = "a text, or a list of texts"
    declare(key, "list of texts", nil, allowed, about)
    guard let found = try child(key, required: true) else { return example }
    let elements = found.sequence.map { Array($0) } ?? [found]
    let values = try elements.map { element in
      guard let scalar = element.scalar, !scalar.string.isEmpty || allowsEmpty && scalar.style != .plain else {
        throw wrong(key, "is not \(allowed)")
      }
      return scalar.string
    }
    guard !values.isEmpty else { throw wrong(key, "is an empty list; allowed: \(allowed)") }
    resolved.append((key, .scalar("[\(values.map(Self.quoted).joined(separator: ", "))]")))
    return values
  }

  /// Nested lists of numbers of depth 1, 2 or 3, flattened to the caller's shape by `numbers`, `matrix` and `matrices`.
  public func numbers(_ key: String, example: [Double] = [1], _ about: String) throws -> [Double] {
    try nested(key, "list of numbers", example: .list(example.map(Numbers.value)), about, depth: 1).values
  }

  /// As above, or by default a word that says where they come from instead: nil.
  public func numbers(_ key: String, or word: String, _ about: String) throws -> [Double]? {
    says(key, word, "list of numbers", about) ? nil : try numbers(key, about)
  }

  private func says(_ key: String, _ word: String, _ type: String, _ about: String) -> Bool {
    guard !has(key) || value(of: key)?.scalar?.string == word else { return false }
    declare(key, type, word, "finite numbers, or \(word)", about)
    resolved.append((key, .scalar(word)))
    return true
  }

  /// A table of finite numbers; it must be given.
  public func matrix(_ key: String, example: [[Double]] = [[0]], _ about: String) throws -> [[Double]] {
    try nested(
      key, "list of lists of numbers", example: .list(example.map { .list($0.map(Numbers.value)) }), about, depth: 2
    ).elements.map(\.values)
  }

  /// As above, or by default a word that says where it comes from instead: nil.
  public func matrix(_ key: String, or word: String, _ about: String) throws -> [[Double]]? {
    says(key, word, "list of lists of numbers", about) ? nil : try matrix(key, about)
  }

  /// A list of tables of finite numbers; it must be given.
  public func matrices(_ key: String, example: [[[Double]]] = [[[1]]], _ about: String) throws -> [[[Double]]] {
    try nested(
      key, "list of matrices",
      example: .list(example.map { .list($0.map { .list($0.map(Numbers.value)) }) }), about, depth: 3
    ).elements.map { $0.elements.map(\.values) }
  }

  private indirect enum Numbers {
    case value(Double)
    case list([Numbers])

    var elements: [Numbers] { if case .list(let elements) = self { elements } else { [] } }
    var values: [Double] {
      elements.map { if case .value(let value) = $0 { value } else { .nan } }
    }
    var text: String {
      switch self {
      case .value(let value): written(value)
      case .list(let elements): "[\(elements.map(\.text).joined(separator: ", "))]"
      }
    }
  }

  private func nested(_ key: String, _ type: String, example: Numbers, _ about: String, depth: Int) throws -> Numbers {
    declare(key, type, nil, "finite numbers", about)
    func read(_ node: Node, _ depth: Int) throws -> Numbers {
      if depth == 0 {
        guard let text = node.scalar?.string, let value = Spelling.number(text) else {
          throw wrong(key, "holds '\(node.scalar?.string ?? "a list")' where a finite number is expected")
        }
        return .value(value)
      }
      guard let sequence = node.sequence, !sequence.isEmpty else { throw wrong(key, "is not a \(type)") }
      return .list(try sequence.map { try read($0, depth - 1) })
    }
    let value = try child(key, required: true).map { try read($0, depth) } ?? example
    resolved.append((key, .scalar(value.text)))
    return value
  }

  /// A mapping of names, which are a person's own, to numbers.
  /// - Parameters:
  ///   - key: the option's name.
  ///   - reserved: names that none may have.
  ///   - about: what the option means.
  public func namedNumbers(_ key: String, reserved: [String] = [], _ about: String) throws -> [String: Double] {
    declare(key, "mapping of numbers", "{}", "finite numbers by name", about)
    var values: [(name: String, value: Double)] = []
    if let found = try child(key, required: false) {
      guard let mapping = found.mapping else { throw wrong(key, "is not a mapping of names to numbers") }
      for (name, number) in mapping {
        let text = name.scalar?.string ?? ""
        guard let first = text.first, first.isASCII, first.isLetter || first == "_",
          text.allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_") })
        else { throw wrong(key, "names '\(text)'; allowed: letters, digits and _ after a letter", name) }
        guard !reserved.contains(text) else { throw wrong(key, "names '\(text)', which has a meaning already", name) }
        guard !values.contains(where: { $0.name == text }) else { throw wrong(key, "names '\(text)' twice", name) }
        guard let digits = number.scalar?.string, let value = Spelling.number(digits) else {
          throw wrong("\(key).\(text)", "'\(number.scalar?.string ?? "a list")' is not a finite number", number)
        }
        values.append((text, value))
      }
    }
    resolved.append((key, .scalar("{\(values.map { "\($0.name): \(written($0.value))" }.joined(separator: ", "))}")))
    return Dictionary(uniqueKeysWithValues: values)
  }
}
