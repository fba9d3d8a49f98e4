// SPDX-License-Identifier: GPL-3.0-or-later

/// A name that a config's `kind` may have, with its decoder.
public struct Kind<Value>: Sendable {
  /// The name that a config says, in kebab case.
  public let name: String
  /// What it is, in a line.
  public let about: String
  /// Makes the value from its options and, where these name other kinds, from the catalogue.
  public let decode: @Sendable (Options, Catalogue) throws -> Value

  /// A kind.
  /// - Parameters:
  ///   - name: what a config says, in kebab case.
  ///   - about: what it is, in a line.
  ///   - decode: makes the value from its options, and throws `InputError` for those it cannot take.
  public init(
    _ name: String, _ about: String, decode: @escaping @Sendable (Options, Catalogue) throws -> Value
  ) {
    self.name = name
    self.about = about
    self.decode = decode
  }
}

/// All kinds of one family, in order.
public struct Kinds<Value>: Sendable {
  /// The kinds in the order in which they are listed.
  public private(set) var all: [Kind<Value>]
  /// Kinds in their order; names are unique.
  public init(_ all: [Kind<Value>]) { self.all = all }

  /// The names in their order.
  public var names: [String] { all.map(\.name) }

  /// The kind of a name; nil where there is none.
  public subscript(_ name: String) -> Kind<Value>? { all.first { $0.name == name } }

  /// Adds a kind; one of the same name is replaced.
  public mutating func add(_ kind: Kind<Value>) {
    all.removeAll { $0.name == kind.name }
    all.append(kind)
  }

  /// Those whose default value is as asked.
  func `where`(_ isWanted: (Value) -> Bool, in catalogue: Catalogue) -> Kinds {
    Kinds(all.filter { (try? $0.decode(.describing(), catalogue)).map(isWanted) ?? false })
  }

  /// The options that a kind declares, found by decoding it without a config.
  func declarations(in catalogue: Catalogue) -> [(name: String, about: String, options: [Declaration], value: Value?)] {
    all.map { kind in
      let options = Options.describing()
      // An example may not be a valid value (a file that does not exist): what was declared until then counts.
      let value = try? kind.decode(options, catalogue)
      return (kind.name, kind.about, options.declarations, value)
    }
  }
}
