// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Yams

// What `sampling.observation` says, in its short and long forms.
extension Options {
  /// `operator`: one kind, or a list of them, the first of which sees the data.
  func seenOperator(in catalogue: Catalogue) throws -> any OperatorRecipe {
    let (key, names) = ("operator", catalogue.operators.names.joined(separator: ", "))
    let about = "what is seen of a row; of a list, one operator after the other"
    if value(of: key)?.sequence != nil, !isDescribing {
      let links = try kinds(key, of: catalogue.operators, in: catalogue, about)
      guard let first = links.first else { throw wrong(key, "is an empty list; allowed: one of \(names), or several") }
      return links.count == 1 ? first : OperatorChain(links: links)
    }
    declare(key, "one of \(names)", nil, "\(names), or a list of them", about)
    if isDescribing { return IdentityOperator() }
    return try kind(
      key, try child(key, required: true), of: catalogue.operators, catalogue.operators.names[0], in: catalogue)
  }

  /// `noise`: a kind, or a number, a list or a mapping without one, which are Gaussian.
  func observationNoise(in catalogue: Catalogue) throws -> any NoiseRecipe {
    let (key, names) = ("noise", catalogue.noises.names.joined(separator: ", "))
    declare(
      key, "one of \(names)", nil, "a deviation, a list of them, {covariance: [[…]]}, or a kind: \(names)",
      "how an observation differs from what the operator gives")
    if isDescribing { return GaussianNoise(noise: .deviation(1)) }
    var found = try child(key, required: true)
    if let node = found {
      func gaussian(_ more: [(Node, Node)]) -> Node {
        .mapping(Node.Mapping([(Node("kind"), Node("gaussian"))] + more))
      }
      if let text = node.scalar?.string, Spelling.number(text) != nil {
        found = gaussian([(Node("deviation"), node)])
      } else if node.sequence != nil {
        found = gaussian([(Node("deviations"), node)])
      } else if let mapping = node.mapping, !mapping.contains(where: { $0.key.scalar?.string == "kind" }) {
        found = gaussian(mapping.map { ($0.key, $0.value) })
      }
    }
    return try kind(key, found, of: catalogue.noises, catalogue.noises.names[0], in: catalogue)
  }

  /// `value`, or `held_out` in its place.
  func observedSource() throws -> ObservedSource {
    let (value, rows) = ("what was seen", "held-out rows, of which observations are drawn")
    return try oneOf([("value", { try $0.rows(value, heldOut: rows) }), ("held_out", { try $0.heldOutRows(rows) })])
  }

  /// `image`, `value` or `held_out`: rows of data.
  func rowSource() throws -> ObservedSource {
    try oneOf([
      (
        "image",
        { options in
          let path = try options.file("image", allowed: "PNG", "an image as large as those of the data")
          options.warnOfGuesses("image", in: path)
          return .file(path)
        }
      ),
      ("value", { try $0.rows("rows of data", heldOut: "held-out rows") }),
      ("held_out", { try $0.heldOutRows("held-out rows") }),
    ])
  }

  /// `images`, `value` or `held_out`: rows of data between which there are ways.
  func rowPairs() throws -> ObservedSource {
    try oneOf([
      (
        "images",
        { options in
          let section = try options.section(
            "images", required: true, "{from: FILE, to: FILE}, PNG images as large as those of the data")
          let files = try ["from", "to"].map { key in
            let path = try section.file(key, allowed: "PNG", "an image")
            section.warnOfGuesses(key, in: path)
            return path
          }
          try section.finish()
          return .images(files)
        }
      ),
      ("value", { try $0.rows("rows of data", heldOut: "held-out rows") }),
      ("held_out", { try $0.heldOutRows("held-out rows") }),
    ])
  }

  /// Warns of what is guessed in reading a table of numbers, and of an image that is composed on white. What is wrong
  /// with a file is told where it is taken.
  func warnOfGuesses(_ key: String, in path: String) {
    guard !isDescribing else { return }
    let isImage = path.lowercased().hasSuffix(".png")
    let notes = (isImage ? try? ImageFile(path).notes : try? NumericTable(reading: path).notes) ?? []
    for note in notes { source?.warnings.add("\(location(key, value(of: key))): \(note)") }
  }

  /// `value`: rows of numbers, of a file, or held-out ones.
  private func rows(_ about: String, heldOut aboutHeldOut: String) throws -> ObservedSource {
    let key = "value"
    let allowed = "[y1, …], a list of such lists, FILE (CSV, .npy or PNG), or {held_out: …}"
    guard !isDescribing, let node = value(of: key) else {
      declare(key, "list of numbers", nil, allowed, about)
      if let node { throw InputError("is missing", at: location(key, node)) }
      return .rows([[0]])
    }
    if let sequence = node.sequence {
      if sequence.first?.sequence != nil { return .rows(try matrix(key, about)) }
      return .rows([try numbers(key, about)])
    }
    declare(key, "list of numbers", nil, allowed, about)
    if let text = node.scalar?.string {
      if let number = Spelling.number(text) {
        resolved.append((key, .scalar("[\(written(number))]")))
        return .rows([[number]])
      }
      // What is nearly a number is no name of a file.
      if let complaint = Spelling.complaint(text) { throw wrong(key, "\(complaint); allowed: \(allowed)") }
      if Double(text.replacing(".", with: "")) != nil {
        throw wrong(key, "'\(text)' is not a finite number; allowed: \(allowed)")
      }
    }
    let mapping = node.mapping == nil ? Node.mapping(Node.Mapping([(Node("file"), node)])) : node
    let section = Options(mapping, path: join(key), source: source)
    resolved.append((key, .section(section)))
    let read = try section.oneOf([
      (
        "file",
        { options in
          let path = try options.file("file", allowed: "CSV, .npy or PNG", "rows of observations")
          options.warnOfGuesses("file", in: path)
          return ObservedSource.file(path)
        }
      ),
      ("held_out", { try $0.heldOutRows(aboutHeldOut) }),
    ])
    try section.finish()
    return read
  }

  /// `held_out`: rows of the held-out data.
  private func heldOutRows(_ about: String) throws -> ObservedSource {
    let key = "held_out"
    let allowed = "a row's number, from 0; a list of them; or {first: 100}"
    declare(key, "list of integers", nil, allowed, about)
    guard let node = try child(key, required: true) else { return .heldOut([0]) }
    if node.mapping != nil {
      let section = Options(node, path: join(key), source: source)
      resolved.append((key, .section(section)))
      let count = try section.integer("first", atLeast: 1, atMost: 1_000_000, "rows")
      try section.finish()
      return .firstHeldOut(count)
    }
    let rows = try (node.sequence.map { Array($0) } ?? [node]).map { element in
      guard let text = element.scalar?.string, let row = Spelling.integer(text), row >= 0, row < 1 << 40 else {
        throw wrong(key, "holds '\(ConfigTree.oneLine(element.scalar?.string ?? "a list"))'; allowed: \(allowed)")
      }
      return row
    }
    guard !rows.isEmpty else { throw wrong(key, "is an empty list; allowed: \(allowed)") }
    guard Set(rows).count == rows.count else { throw wrong(key, "names a row twice; allowed: \(allowed)") }
    resolved.append((key, .scalar("[\(rows.map(String.init).joined(separator: ", "))]")))
    return .heldOut(rows)
  }
}
