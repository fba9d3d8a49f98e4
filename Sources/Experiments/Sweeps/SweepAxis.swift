// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Yams

/// One direction of a sweep: runs are all combinations of the points of its axes.
struct SweepAxis {
  /// What one point decides: a config file in place of the sweep's own keys, or keys and their values.
  struct Point {
    var file: String?
    var settings: [SweepSetting] = []
  }

  /// The columns that it has in `sweep.csv`: keys in the order in which they appear, or `configs`.
  let keys: [String]
  let points: [Point]

  /// The column of an axis of config files.
  static let configs = "configs"
  /// What stands beside swept keys, and is none.
  static let words = ["zip", "cases", configs, "paths"]
}

/// Reads the key `sweep` of a config.
///
/// A mapping of keys to lists of values is a grid: every list is an axis. `zip` is one axis of several keys, whose
/// lists are as long as each other; `cases` one of sets of keys; `configs` one of config files. A list of mappings
/// stands for `cases` alone, and one of texts for `configs` alone.
struct SweepReader {
  let source: ConfigSource

  /// For `list` and the docs.
  static let declaration = Declaration(
    key: "sweep", type: "section", defaultText: "null", allowed: Self.allowed,
    about: "many runs in one config, for `score-sde sweep`")

  static let allowed =
    "a mapping of keys to lists of values, with zip, cases and configs; or a list of mappings or of config files"

  /// - Throws: `InputError` with the place of what is wrong.
  func axes() throws -> [SweepAxis] {
    guard let node = source.sweep else {
      throw InputError(
        "has no key 'sweep', which says what is varied: sweep: {seed: [1, 2]}; `score-sde run` runs it as it is",
        at: source.path)
    }
    var axes: [SweepAxis] = []
    if let list = node.sequence {
      let areFiles = list.first?.scalar.map { Spelling.number($0.string) == nil } ?? false
      axes = [try areFiles ? files(node, "sweep") : cases(node, "sweep")]
    } else if let mapping = node.mapping {
      for (key, value) in mapping { axes += try read(key, value) }
    } else {
      throw wrong("sweep", node, "is \(Self.kind(of: node)); allowed: \(Self.allowed)")
    }
    guard !axes.isEmpty else { throw wrong("sweep", node, "varies nothing; allowed: \(Self.allowed)") }
    try requireApart(axes, node)
    return axes
  }

  private func read(_ key: Node, _ value: Node) throws -> [SweepAxis] {
    let name = key.scalar?.string ?? ""
    let place = "sweep.\(name)"
    switch name {
    case "paths":
      guard let text = value.scalar?.string, !text.isEmpty else {
        throw wrong(place, value, "is \(Self.kind(of: value)); allowed: the folder where relative paths begin")
      }
      return []
    case "zip":
      if let list = value.sequence, !list.isEmpty {
        return try list.enumerated().map { try zip($1, "\(place).\($0)") }
      }
      return [try zip(value, place)]
    case "cases": return [try cases(value, place)]
    case SweepAxis.configs: return [try files(value, place)]
    default:
      return [try grid(name, value)]
    }
  }

  private func grid(_ name: String, _ value: Node) throws -> SweepAxis {
    if value.sequence == nil, let word = nearest(to: name, among: SweepAxis.words) {
      throw wrong("sweep.\(name)", value, "is \(Self.kind(of: value)); did you mean '\(word)'?")
    }
    try requireKey(name, value, "sweep")
    let values = try elements(value, "sweep.\(name)", "a list of values, as [1, 2]")
    return SweepAxis(
      keys: [name],
      points: values.map { SweepAxis.Point(settings: [SweepSetting(key: name, value: $0, prefix: "sweep")]) })
  }

  private func zip(_ node: Node, _ place: String) throws -> SweepAxis {
    guard let mapping = node.mapping, !mapping.isEmpty else {
      throw wrong(place, node, "is \(Self.kind(of: node)); allowed: a mapping of keys to lists of equal length")
    }
    var keys: [String] = []
    var points: [SweepAxis.Point] = []
    for (key, value) in mapping {
      let name = key.scalar?.string ?? ""
      try requireKey(name, value, place)
      let values = try elements(value, "\(place).\(name)", "a list of values, as [1, 2]")
      if let first = keys.first {
        guard values.count == points.count else {
          throw wrong(
            "\(place).\(name)", value,
            "has \(values.count) value\(values.count == 1 ? "" : "s"), \(first) has \(points.count); allowed: as many")
        }
      } else {
        points = values.map { _ in SweepAxis.Point() }
      }
      keys.append(name)
      for (index, value) in values.enumerated() {
        points[index].settings.append(SweepSetting(key: name, value: value, prefix: place))
      }
    }
    return SweepAxis(keys: keys, points: points)
  }

  private func files(_ node: Node, _ place: String) throws -> SweepAxis {
    let allowed = "a list of config files"
    let files = try elements(node, place, allowed).map { element in
      guard let text = element.scalar?.string, !text.isEmpty else {
        throw wrong(place, element, "holds \(Self.kind(of: element)); allowed: \(allowed)")
      }
      return SweepAxis.Point(file: text)
    }
    return SweepAxis(keys: [SweepAxis.configs], points: files)
  }

  private func cases(_ node: Node, _ place: String) throws -> SweepAxis {
    var keys: [String] = []
    let points = try elements(node, place, "a list of mappings of keys to values").enumerated().map { index, element in
      guard let mapping = element.mapping else {
        throw wrong(place, element, "holds \(Self.kind(of: element)); allowed: mappings of keys to values")
      }
      var point = SweepAxis.Point()
      for (key, value) in mapping {
        let name = key.scalar?.string ?? ""
        try requireKey(name, value, "\(place).\(index)")
        if !keys.contains(name) { keys.append(name) }
        point.settings.append(SweepSetting(key: name, value: value, prefix: "\(place).\(index)"))
      }
      try requireApart(point.settings.map { ($0.key, $0) })
      return point
    }
    guard !keys.isEmpty else {
      throw wrong(place, node, "varies nothing; allowed: a list of mappings of keys to values")
    }
    return SweepAxis(keys: keys, points: points)
  }

  /// The elements of a list that has some.
  private func elements(_ node: Node, _ place: String, _ allowed: String) throws -> [Node] {
    guard let list = node.sequence else { throw wrong(place, node, "is \(Self.kind(of: node)); allowed: \(allowed)") }
    guard !list.isEmpty else { throw wrong(place, node, "is an empty list; allowed: \(allowed)") }
    return Array(list)
  }

  private func requireKey(_ name: String, _ node: Node, _ place: String) throws {
    let parts = name.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.allSatisfy({ !$0.isEmpty }), parts.count <= ConfigTree.deepest else {
      throw wrong("\(place).\(name)", node, "is no key; allowed: keys of the config with dots, as process.beta_max")
    }
    guard parts[0] != "sweep" else { throw wrong("\(place).\(name)", node, "a sweep cannot be swept") }
  }

  // MARK: Keys that stand twice

  private func requireApart(_ axes: [SweepAxis], _ node: Node) throws {
    var taken: [(key: String, setting: SweepSetting?)] = []
    for axis in axes {
      let own = axis.keys.map { key in
        (key, axis.points.lazy.flatMap(\.settings).first { $0.key == key })
      }
      for (key, setting) in own {
        for (other, _) in taken { try requireApart(key, setting, other, node) }
        if let setting { try requireFree(key, setting) }
      }
      taken += own
    }
  }

  /// As above, within one set of keys.
  private func requireApart(_ settings: [(key: String, setting: SweepSetting)]) throws {
    for (index, (key, setting)) in settings.enumerated() {
      for (other, _) in settings[..<index] { try requireApart(key, setting, other, setting.value) }
    }
  }

  private func requireApart(_ key: String, _ setting: SweepSetting?, _ other: String, _ node: Node) throws {
    let place = setting.map { "\($0.prefix).\(key)" } ?? "sweep.\(key)"
    let (own, theirs) = (numbered(key), numbered(other))
    if own == theirs { throw wrong(place, setting?.value ?? node, "is swept twice; allowed: once") }
    if own.hasPrefix(theirs + ".") || theirs.hasPrefix(own + ".") {
      throw wrong(
        place, setting?.value ?? node,
        "stands beside \(other), and one lies within the other; allowed: one of them")
    }
  }

  /// A key with the number of an element in place of its name.
  private func numbered(_ key: String) -> String {
    let keys = key.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    return ConfigSource.numbered(keys, in: source.root).joined(separator: ".")
  }

  /// Refuses a key that `--set` sets for nothing, as the sweep sets it again.
  private func requireFree(_ key: String, _ setting: SweepSetting) throws {
    let own = numbered(key)
    for (text, set) in source.places.overrides where set == own || set.hasPrefix(own + ".") {
      throw InputError(
        "has no effect, as the sweep sets \(key); allowed: --set \(setting.prefix).\(key)=…",
        at: "--set \(ConfigTree.oneLine(text))")
    }
  }

  // MARK: Words

  private func wrong(_ place: String, _ node: Node, _ message: String) -> InputError {
    InputError(message, at: source.location(of: place, node))
  }

  static func kind(of node: Node) -> String {
    switch node {
    case .mapping(let mapping): mapping.isEmpty ? "an empty mapping" : "a mapping"
    case .sequence(let list): list.isEmpty ? "an empty list" : "a list"
    default: ConfigTree.isNull(node) ? "null" : "'\(ConfigTree.oneLine(node.scalar?.string ?? ""))'"
    }
  }
}
