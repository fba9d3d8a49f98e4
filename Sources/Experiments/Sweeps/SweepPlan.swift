// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Yams

/// A sweep, decoded: which runs it has. Owned by one worker, as nodes of YAML are; `SweepConfig` makes it.
public final class SweepPlan {
  /// Names the folder of results.
  public let name: String
  /// What is varied, in the order of the columns of `sweep.csv`: keys, and `configs` for config files.
  public let keys: [String]
  /// How many runs there are.
  public let count: Int

  static let largestCount = 100_000

  /// Where complaints about the sweep as a whole point to.
  let place: String

  private let source: ConfigSource
  private let catalogue: Catalogue
  private let axes: [SweepAxis]
  private var files: [String: ConfigSource] = [:]

  /// - Throws: `InputError` with the place of what is wrong; runs are checked by `run` alone.
  public init(_ source: ConfigSource, catalogue: Catalogue = .standard) throws {
    (self.source, self.catalogue) = (source, catalogue)
    name = try ExperimentPlan.name(Options(source.root, path: "", source: source))
    place = source.location(of: "sweep", source.sweep)
    axes = try SweepReader(source: source).axes()
    keys = axes.flatMap(\.keys)
    var count = 1
    for axis in axes {
      let (product, overflow) = count.multipliedReportingOverflow(by: axis.points.count)
      count = overflow ? Int.max : product
      guard count <= Self.largestCount else {
        throw InputError(
          "makes \(axes.map { String($0.points.count) }.joined(separator: " × ")) runs; allowed: at most "
            + "\(Self.largestCount)", at: place)
      }
    }
    self.count = count
  }

  /// What each axis decides in a run. The last axis varies fastest.
  /// - Parameter number: from 1.
  private func points(_ number: Int) -> [SweepAxis.Point] {
    var rest = number - 1
    var points: [SweepAxis.Point] = []
    for axis in axes.reversed() {
      points.append(axis.points[rest % axis.points.count])
      rest /= axis.points.count
    }
    return points.reversed()
  }

  /// One run, decoded and checked.
  /// - Parameter number: from 1.
  /// - Throws: `InputError`, with the run's number behind the place of what is wrong.
  public func run(_ number: Int) throws -> (run: SweepRun, plan: ExperimentPlan) {
    let points = points(number)
    do {
      let settings = points.flatMap(\.settings)
      let file = points.lazy.compactMap(\.file).first
      let config = try ConfigSource(source, file: file.map(config(of:)), settings: settings)
      let plan = try ExperimentPlan(config, catalogue: catalogue)
      let resolved = try Yams.compose(yaml: plan.resolved)
      let values = keys.map { key in
        key == SweepAxis.configs
          ? file ?? "" : Self.value(of: key, given: settings.first { $0.key == key }?.value, resolved: resolved)
      }
      return (SweepRun(number: number, values: values, keys: keys, plan: plan), plan)
    } catch let error as InputError {
      throw InputError(error.message, at: "\(error.location) (run \(SweepRun.name(number)))")
    }
  }

  private func config(of file: String) throws -> ConfigSource {
    if let known = files[file] { return known }
    let path = source.resolve(file, of: "sweep.configs")
    let config = try ConfigSource(path: path)
    if let own = config.sweep {
      throw InputError("a config of a sweep has none of its own", at: config.location(of: "sweep", own))
    }
    files[file] = config
    return config
  }

  /// What a run's column shows: the value as the sweep has it, numbers as the program writes them; of a run that leaves
  /// the key alone, the value that it has there.
  private static func value(of key: String, given: Node?, resolved: Node?) -> String {
    var found = resolved
    let keys = key.split(separator: ".").map(String.init)
    for part in resolved.map({ ConfigSource.numbered(keys, in: $0) }) ?? [] {
      let element = found?.sequence.flatMap { list in Int(part).flatMap { list.indices.contains($0) ? list[$0] : nil } }
      found = element ?? found?.mapping?[Node(part)]
    }
    guard let given else { return found.map(text) ?? "" }
    if let scalar = given.scalar, Spelling.number(scalar.string) != nil || Spelling.flag(scalar.string) != nil,
      let number = found?.scalar
    {
      return number.string
    }
    return text(given)
  }

  private static func text(_ node: Node) -> String { node.scalar?.string ?? FlowText(node).text }

  /// The sweep as a config of its own, which means the same in any folder.
  var resolved: String {
    let folder = ConfigSource.absolute(source.folder.isEmpty ? "." : source.folder)
    var text = ""
    for (key, value) in source.root.mapping ?? Node.Mapping([]) where key.scalar?.string != "sweep" {
      text += "\(Options.quoted(key.scalar?.string ?? "")): \(FlowText(value).text)\n"
    }
    text += "sweep:\n  paths: \(Options.quoted(folder))\n"
    guard let node = source.sweep else { return text }
    guard let mapping = node.mapping else {
      return text + "  \(keys == [SweepAxis.configs] ? SweepAxis.configs : "cases"): \(FlowText(node).text)\n"
    }
    for (key, value) in mapping where key.scalar?.string != "paths" {
      text += "  \(Options.quoted(key.scalar?.string ?? "")): \(FlowText(value).text)\n"
    }
    return text
  }
}

/// A config that may be a sweep, as texts: every worker makes a plan of its own of it.
public struct SweepConfig: Sendable {
  /// The config's file.
  public let path: String
  let text: String
  let overrides: [String]
  /// Where relative paths begin, whatever the config says; nil: as it says, else its own folder.
  let folder: String?
  /// The kinds that the config may name.
  public let catalogue: Catalogue

  /// - Parameters:
  ///   - path: the config's file.
  ///   - overrides: `key.path=value` texts.
  ///   - catalogue: the kinds that the config may name.
  ///   - folder: where relative paths begin, whatever the config says; nil: as it says, else its own folder.
  /// - Throws: `InputError` for a file that cannot be read.
  public init(
    path: String, overrides: [String] = [], catalogue: Catalogue = .standard, folder: String? = nil
  ) throws {
    self.init(
      text: try ConfigSource.text(ofFile: path), path: path, overrides: overrides, catalogue: catalogue, folder: folder)
  }

  /// - Parameters:
  ///   - text: YAML, a mapping.
  ///   - path: what messages call it; relative paths begin in its folder.
  ///   - overrides: `key.path=value` texts.
  ///   - catalogue: the kinds that the config may name.
  ///   - folder: where relative paths begin, whatever the config says; nil: as it says, else its own folder.
  public init(
    text: String, path: String, overrides: [String] = [], catalogue: Catalogue = .standard, folder: String? = nil
  ) {
    (self.text, self.path, self.overrides, self.catalogue) = (text, path, overrides, catalogue)
    self.folder = folder
  }

  func source() throws -> ConfigSource {
    try ConfigSource(text: text, path: path, overrides: overrides, folder: folder)
  }

  /// Decodes it.
  /// - Throws: `InputError` with the place of what is wrong in the sweep itself.
  public func plan() throws -> SweepPlan { try SweepPlan(source(), catalogue: catalogue) }
}
