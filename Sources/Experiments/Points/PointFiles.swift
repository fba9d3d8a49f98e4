// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Foundation
import Processes
import Scores

/// Where a command's points come from and where its table goes.
public struct PointFiles: Sendable {
  /// A CSV or `.npy` file; nil: the data's held-out rows.
  public let input: String?
  /// The CSV file to write.
  public let output: String
  /// How many rows are taken, from the first; nil: all.
  public let count: Int?

  /// Where points come from and go to.
  /// - Parameters:
  ///   - input: a table of points; nil: the held-out data.
  ///   - output: the file to write.
  ///   - count: how many rows are taken, from the first; nil: all.
  public init(input: String?, output: String, count: Int? = nil) {
    self.input = input
    self.output = output
    self.count = count
  }

  /// - Throws: `InputError` where the output could not be written, before anything is computed for it.
  func requireWritable() throws {
    let folder = parentFolder(of: output)
    var isFolder: ObjCBool = false
    let manager = FileManager.default
    guard manager.isWritableFile(atPath: folder.isEmpty ? "." : folder) else {
      throw InputError("the folder of this file is missing or cannot be written", at: output)
    }
    if manager.fileExists(atPath: output, isDirectory: &isFolder), isFolder.boolValue {
      throw InputError("is a folder; expected a file to write", at: output)
    }
  }
}

/// Points in coordinates, and the score at them.
struct OpenedPoints {
  /// The rows in coordinates.
  let rows: Batch
  let score: any Score
  let data: DataInCoordinates
}

extension Experiment {
  /// Points, and the trained or exact score at them.
  /// - Parameter areStates: whether they are states of the process, which may be wider than the data, and to which a
  ///   map that draws adds nothing.
  func open(_ files: PointFiles, areStates: Bool = false) throws -> OpenedPoints {
    try requireScore()
    try files.requireWritable()
    // A wrong file is told before any data is made.
    let beside = plan.process.stateDimension(of: plan.model.seen.dimension) - plan.model.seen.dimension
    let dimension = plan.data.dimension + (areStates ? beside : 0)
    let given = try files.input.map { try readPoints($0, dimension, areStates) }
    guard given != nil || dimension == plan.data.dimension else {
      throw InputError(
        "is missing; the process has states of \(dimension) values, and the data is not one", at: "--input")
    }
    guard given != nil || plan.data.hasRows else {
      throw InputError("is missing; the data has no rows of its own", at: "--input")
    }
    let data = try loadData()
    let source = try score(ScoreOrigin(self, data), data)
    let (all, own): (any DataRows, Conditions) =
      given.map { ($0.0, $0.1) } ?? (data.dataset.heldOutRows, data.dataset.heldOutConditions)
    let points = all.prefix(files.count ?? all.count)
    return OpenedPoints(
      rows: try areStates ? data.encodedStates(points) : data.encoded(points),
      score: try source.score(
        given: conditions(
          of: all.count, own, at: files.input ?? "the held-out rows", source, data.dataset)),
      data: data)
  }

  /// Points, and their conditions where the file has columns for them as the data's file has.
  private func readPoints(_ path: String, _ dimension: Int, _ areStates: Bool) throws -> (Batch, Conditions) {
    let given = try plan.data.readRows(path, dimension: dimension, areStates: areStates)
    guard given.rows.dimension == dimension else {
      let whose = dimension == plan.data.dimension ? "the data has" : "a state of the process has"
      throw InputError("rows of \(given.rows.dimension) values; \(whose) \(dimension)", at: path)
    }
    if !quiet {
      for note in given.notes { FileHandle.standardError.write(Data("score-sde: warning: \(note)\n".utf8)) }
    }
    return (given.rows, given.conditions)
  }

  /// What is known of given rows: what the config says of all, or what comes with the rows.
  /// - Throws: `InputError` where a score asks for conditions, and nobody says those of the rows.
  func conditions(
    of count: Int, _ own: Conditions, at place: String, _ source: ScoreSource, _ data: Dataset
  ) throws -> Conditions {
    let (condition, shape) = (plan.sampling.condition, source.conditionShape)
    // What samples are told is a guidance's, and of no use to the score of points.
    if shape == .nothing, plan.sampling.toldByGuidance != nil { return .nothing }
    if shape == .nothing || condition.isConstant {
      return try condition.conditions(for: source, count: count, of: data)
    }
    guard own != .nothing else {
      if condition == .auto && shape.classCount == 0 && source.knowsNothing { return .nothing }
      throw InputError(
        "says nothing of given points; give their condition, as --set 'sampling.condition={class: 0}', or columns for it "
          + "named as the data's", at: "sampling.condition")
    }
    if let row = (0..<count).first(where: { !source.knows(own[$0]) }) {
      throw InputError(
        "row \(row + 1) has a condition that the network does not know; allowed: \(source.conditionText)", at: place)
    }
    return own
  }
}
