// SPDX-License-Identifier: GPL-3.0-or-later
import Core

// Options that depend on others: one of several, and those that count only beside another.
extension Options {
  /// Exactly one of several options.
  /// - Parameter choices: each with its key, and how it is read.
  /// - Returns: the value of the one that is given; while options are only listed, of the first.
  /// - Throws: `InputError` where none or more than one is given.
  public func oneOf<Value>(_ choices: [(key: String, read: (Options) throws -> Value)]) throws -> Value {
    let keys = choices.map(\.key)
    let given = isDescribing ? [] : choices.filter { has($0.key) }
    if given.count > 1 {
      throw wrong(given[1].key, "stands beside \(given[0].key); allowed: one of \(keys.joined(separator: ", "))")
    }
    var value: Value?
    for choice in choices {
      if isDescribing || choice.key == given.first?.key {
        let first = declarations.count
        let read = try choice.read(self)
        value = value ?? read
        for index in first..<declarations.count { declarations[index].alternatives = keys }
      } else {
        // Declared all the same: messages name it.
        let others = Options.describing()
        _ = try? choice.read(others)
        for declaration in others.declarations {
          declarations.append(declaration)
          declarations[declarations.count - 1].alternatives = keys
        }
        resolved.append((choice.key, .absent))
      }
    }
    guard let value else {
      throw InputError("is missing; allowed: one of \(keys.joined(separator: ", "))", at: location(keys[0], node))
    }
    return value
  }

  /// Options that have an effect only under a condition. Where it does not hold, one that is given is refused, unless
  /// it is given as its default: older programs wrote all defaults out.
  /// - Parameters:
  ///   - isActive: whether they have an effect.
  ///   - need: what would give them one, for the message: "noise_levels: log-normal".
  ///   - body: reads them.
  public func only<Value>(if isActive: Bool, needs need: String, _ body: () throws -> Value) throws -> Value {
    let first = declarations.count
    let value = try body()
    if !isActive { for declaration in declarations[first...] { try refuse(declaration.key, needs: need) } }
    return value
  }

  /// As above, for options that the resolved config has only where they have an effect: there even a default is
  /// refused.
  /// - Parameters:
  ///   - isActive: whether the options have an effect.
  ///   - need: what they need to have one, for the message that refuses them.
  ///   - body: reads them from the options that it is given.
  /// - Returns: nil where they have none.
  public func part<Value>(if isActive: Bool, needs need: String, _ body: (Options) throws -> Value) throws -> Value? {
    if isActive || isDescribing { return try body(self) }
    let absent = Options.describing()
    _ = try? body(absent)
    for declaration in absent.declarations where has(declaration.key) {
      throw wrong(declaration.key, "has no effect; it needs \(need)")
    }
    declarations += absent.declarations
    return nil
  }

  /// Refuses an option that is given, with another value than its default, where it has no effect.
  /// - Parameters:
  ///   - key: an option that has been read.
  ///   - need: what would give it an effect.
  func refuse(_ key: String, needs need: String) throws {
    if has(key) && !isDefault(key) { throw wrong(key, "has no effect; it needs \(need)") }
  }

  /// Whether an option that was read has the value that it has by default.
  private func isDefault(_ key: String) -> Bool {
    guard let usual = declarations.last(where: { $0.key == key })?.defaultText,
      let found = resolved.last(where: { $0.key == key })?.value
    else { return false }
    switch found {
    case .scalar(let text): return text == usual
    case .section(let options): return options.kindName == usual && options.node?.mapping?.count == 1
    case .list(let elements): return elements.isEmpty && usual == "[]"
    case .absent: return true
    case .file: return false
    }
  }

  /// A section that was read, by its path of keys.
  func read(_ path: String...) -> Options? {
    var options = self
    for key in path {
      guard case .section(let next)? = options.resolved.last(where: { $0.key == key })?.value else { return nil }
      options = next
    }
    return options
  }
}
