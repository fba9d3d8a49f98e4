// SPDX-License-Identifier: GPL-3.0-or-later

/// A name that a config's `kind` may have, with its decoder.
public struct Kind<Value>: Sendable {
  public let name: String
  public let about: String
  public let decode: @Sendable (Options, Catalogue) throws -> Value

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
  public private(set) var all: [Kind<Value>]
  public init(_ all: [Kind<Value>]) { self.all = all }

  public var names: [String] { all.map(\.name) }

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
