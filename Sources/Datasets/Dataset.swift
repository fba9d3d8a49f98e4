// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Processes
import Scores

/// How a row is to be seen as an image: flattened height, width, channel, with values in [−1, 1].
public struct ImageShape: Sendable, Equatable {
  /// The size in pixels, and how many values a pixel has.
  public let height, width, channels: Int

  /// An image of `height` × `width` pixels.
  public init(height: Int, width: Int, channels: Int) {
    self.height = height
    self.width = width
    self.channels = channels
  }

  /// How many values an image has.
  public var count: Int { height * width * channels }
}

/// Rows to learn from, and rows held out to judge by. Neither has to be in memory.
public struct Dataset: Sendable {
  /// The rows to learn from.
  public let trainingRows: any DataRows
  /// The rows to judge by.
  public let heldOutRows: any DataRows
  /// What is known of each row of `training`, which is item for item what `source` draws from, where anything is known.
  public let trainingConditions: Conditions
  /// What is known of each row of `heldOut`.
  public let heldOutConditions: Conditions
  /// What training draws from, with random crops and flips where the data has them.
  public let source: any TrainingSource

  /// A set of rows.
  /// - Parameters:
  ///   - training: the rows to learn from.
  ///   - heldOut: the rows to judge by, of the same dimension.
  ///   - trainingConditions: the condition of each row of `training`, and so of each item of `source`.
  ///   - heldOutConditions: the condition of each row of `heldOut`.
  ///   - source: what training draws from; the rows of `training` where nil.
  public init(
    training: any DataRows, heldOut: any DataRows, trainingConditions: Conditions = .nothing,
    heldOutConditions: Conditions = .nothing, source: (any TrainingSource)? = nil
  ) {
    precondition(training.dimension == heldOut.dimension, "rows of different dimensions")
    precondition(trainingConditions.count ?? training.count == training.count, "a condition for every row")
    precondition(heldOutConditions.count ?? heldOut.count == heldOut.count, "a condition for every row")
    precondition(
      trainingConditions == .nothing || source?.count ?? training.count == training.count,
      "conditions of rows that are not the items of the source")
    trainingRows = training
    heldOutRows = heldOut
    self.trainingConditions = trainingConditions
    self.heldOutConditions = heldOutConditions
    self.source = source ?? RowSource(training)
  }

  /// The rows to learn from, all in memory: 8 bytes a value. Images are turned into numbers at every call.
  public var training: Batch { trainingRows.batch() }

  /// The rows to judge by, all in memory, likewise.
  public var heldOut: Batch { heldOutRows.batch() }
}

/// Where data comes from. Cheap to make and to check; `load` does the work.
public protocol DataSource: Sendable {
  /// How many values a row has.
  var dimension: Int { get }
  /// nil for points that are no images.
  var imageShape: ImageShape? { get }
  /// The law of the data, where it is known exactly.
  var law: DataLaw? { get }
  /// The boxes that rows are uniform on, where their law is such. Default: nil.
  var boxes: BoxMixture? { get }
  /// What is known of each row: nothing, a class, numbers, text. It is known before the data is loaded.
  var conditionShape: ConditionShape { get }
  /// The classes that rows to learn from have, in rising order; nil: all of `conditionShape` do, or there are none.
  var occurringClasses: [Int]? { get }
  /// Texts that have all words which the conditions of rows have, where these are texts, and one as long as the
  /// longest: what a tokenizer is learned from. Default: none.
  var texts: [String] { get }
  /// Whether rows to learn from have what a condition combines, where some combinations are kept back from them to
  /// judge by; nil where none are, or nobody knows. Default: nil.
  func isSeen(_ condition: Condition) -> Bool?
  /// The columns of a CSV file of rows like these that hold their conditions. Default: `label` where rows have classes.
  var conditionColumns: ConditionColumns { get }
  /// What the columns of a row are called, where a file names them. Default: nil.
  var columnNames: [String]? { get }
  /// The values that the data can have, where these are few and evenly spaced; nil where they are not, or nobody knows.
  var levels: Quantisation? { get }
  /// A short text that changes whenever the data changes though its options do not: a file's checksum.
  var fingerprint: String { get }
  /// What was guessed, skipped or looks odd in the files that were read: a sentence each, with where and the remedy.
  var notes: [String] { get }
  /// The same data with fewer rows, where rows are drawn and a look at some is enough; else itself.
  func fewer(rows: Int) -> any DataSource
  /// Further rows of the same law, which are neither trained on nor held out: what real rows look like to a metric.
  /// - Returns: nil where rows are not drawn, and so there are no others. Default: nil.
  func furtherRows(_ count: Int, seed: UInt64) -> Batch?
  /// Whether there are rows at all, to train on and to judge by. Default: true.
  var hasRows: Bool { get }
  /// Reads or draws the rows.
  /// - Parameter seed: of what is drawn: synthetic rows, which rows are held out, crops.
  /// - Throws: `InputError` for files that cannot be read as this data.
  func load(seed: UInt64) throws -> Dataset

  /// Rows of a file like the data's own, and their conditions where the file has the columns for them. Default: a table
  /// whose columns are the data, beside those of `conditionColumns` where a header names these.
  /// - Parameters:
  ///   - path: a CSV or `.npy` file.
  ///   - dimension: how many values a row has.
  ///   - areStates: whether rows are states of a process, in the units of samples, and not rows as the data's file has.
  /// - Returns: the rows, of which the caller checks the dimension.
  /// - Throws: `InputError` at file and line for what is no table of finite numbers.
  func readRows(_ path: String, dimension: Int, areStates: Bool) throws -> GivenRows
}

extension DataSource {
  public var imageShape: ImageShape? { nil }
  public var law: DataLaw? { nil }
  public var boxes: BoxMixture? { nil }
  public var conditionShape: ConditionShape { .nothing }
  public var occurringClasses: [Int]? { nil }
  public var texts: [String] { [] }
  public func isSeen(_ condition: Condition) -> Bool? { nil }
  public var columnNames: [String]? { nil }
  public var levels: Quantisation? { nil }
  public var fingerprint: String { "" }
  public var notes: [String] { [] }
  public func fewer(rows: Int) -> any DataSource { self }
  public func furtherRows(_ count: Int, seed: UInt64) -> Batch? { nil }
  public var hasRows: Bool { true }
}

extension DataSource {
  /// The law of the data as one that knows p(x₀ | x_t); nil where it is not known.
  public var conditionalLaw: (any ConditionalLaw)? {
    if let box = boxes?.single { return box }
    return law.flatMap { $0.isExponential ? nil : $0.mixture }
  }
}

extension Purpose {
  /// Rows of data beside those that are trained on or held out.
  static let furtherData = Purpose(rawValue: 50)
}
