// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Models
import Networks
import Tensors

/// Everything a training needs to go on: flat buffers of one layout, and the number of steps done.
public struct TrainingState: Sendable, Equatable {
  /// How many steps are done.
  public var step = 0
  /// The parameters that are trained.
  public var parameters: [Float]
  /// The exponential moving average of the parameters, which samples are drawn with.
  public var averages: [Float]
  /// Adam's means of gradients.
  public var firstMoments: [Float]
  /// Adam's means of squared gradients.
  public var secondMoments: [Float]
  /// The average as the objective took it last (`FrozenParameters.Source.snapshot`); nil where it takes none.
  public var snapshot: [Float]?

  /// A training that has not begun: averages are the parameters, moments are zeros.
  public init(initial parameters: [Float]) {
    self.parameters = parameters
    averages = parameters
    firstMoments = [Float](repeating: 0, count: parameters.count)
    secondMoments = firstMoments
  }
}

/// A training state with the text that says what it is a training of.
public struct Checkpoint: Sendable {
  /// Parameters, averages, moments and the number of steps.
  public var state: TrainingState
  /// The resolved configuration: data, process, score, training and seed.
  public var config: String
  /// σ_d of the network's score, which its config may leave to the data.
  public var dataDeviation: Double
  /// The numbers of the coordinates in which it was trained, as `FittedNumbers` writes them; nil: it has none.
  public var coordinates: String?
  /// What else goes with the state of an unfinished training: its log.
  public var notes: [String: String]
  /// The classes of the rows that it was trained on, in rising order; nil: all that the network knows.
  public var classes: [Int]?

  /// A checkpoint to be written.
  /// - Parameters:
  ///   - state: the training as far as it is.
  ///   - config: what it is a training of.
  ///   - dataDeviation: σ_d of the network's score.
  ///   - coordinates: the numbers of its coordinates, as a text.
  ///   - classes: those that it has learned; nil: all.
  ///   - notes: further texts by name.
  public init(
    state: TrainingState, config: String, dataDeviation: Double = 1, coordinates: String? = nil, classes: [Int]? = nil,
    notes: [String: String] = [:]
  ) {
    self.coordinates = coordinates
    self.classes = classes
    self.notes = notes
    self.state = state
    self.config = config
    self.dataDeviation = dataDeviation
  }

  private static let snapshotPrefix = "snapshot."

  /// With a checksum; files of the first format have none.
  private static let format = "score-sde checkpoint 2"
  private static let formats = [format, "score-sde checkpoint 1"]

  /// The file of the checkpoint, sealed by a checksum: the four buffers, each tensor under its name.
  public func writer(layout: ParameterLayout) -> SafetensorsWriter {
    var metadata = notes
    let own = [
      "format": Self.format, "step": String(state.step), "config": config, "sigma_data": String(dataDeviation),
    ]
    metadata.merge(own) { $1 }
    metadata["coordinates"] = coordinates
    metadata["classes"] = classes.map { $0.map(String.init).joined(separator: " ") }
    var file = SafetensorsWriter(metadata: metadata, isSealed: true)
    file.add(state.parameters, layout: layout, prefix: "model.")
    file.add(state.averages, layout: layout, prefix: "average.")
    file.add(state.firstMoments, layout: layout, prefix: "adam.first.")
    file.add(state.secondMoments, layout: layout, prefix: "adam.second.")
    if let snapshot = state.snapshot { file.add(snapshot, layout: layout, prefix: Self.snapshotPrefix) }
    return file
  }

  /// The bytes of the file.
  public func encoded(layout: ParameterLayout) throws -> Data {
    var data = Data()
    try writer(layout: layout).encode { data.append($0) }
    return data
  }

  /// The configuration text of a checkpoint file.
  /// - Throws: `InputError` for a file that is not one of ours.
  public static func config(of file: Safetensors, path: String) throws -> String {
    guard let own = file.metadata["format"], formats.contains(own), let config = file.metadata["config"] else {
      throw InputError("a safetensors file, but not a checkpoint of this program", at: path)
    }
    guard own != format || file.isSealed else { throw InputError("a checkpoint without its checksum", at: path) }
    return config
  }

  /// Reads a checkpoint.
  /// - Parameters:
  ///   - file: the opened file.
  ///   - layout: of the network that it is a training of.
  ///   - path: the file's, for messages.
  /// - Throws: `InputError` for a file that is not a whole checkpoint of this layout.
  public init(_ file: Safetensors, layout: ParameterLayout, path: String) throws {
    config = try Self.config(of: file, path: path)
    coordinates = file.metadata["coordinates"]
    notes = file.metadata
    if let text = file.metadata["classes"] {
      let numbers = text.split(separator: " ").map { Int($0) }
      guard !numbers.isEmpty, numbers.allSatisfy({ $0 ?? -1 >= 0 }) else {
        throw InputError("a checkpoint whose classes are '\(text)'", at: path)
      }
      classes = numbers.compactMap { $0 }
    }
    do {
      var state = TrainingState(initial: try file.values(layout: layout, prefix: "model."))
      state.averages = try file.values(layout: layout, prefix: "average.")
      state.firstMoments = try file.values(layout: layout, prefix: "adam.first.")
      state.secondMoments = try file.values(layout: layout, prefix: "adam.second.")
      if layout.entries.first.map({ file.tensors[Self.snapshotPrefix + $0.parts[0].name] != nil }) ?? false {
        state.snapshot = try file.values(layout: layout, prefix: Self.snapshotPrefix)
      }
      guard let step = file.metadata["step"].flatMap({ Int($0) }), step >= 0 else {
        throw InputError("a checkpoint without its number of steps")
      }
      guard let deviation = Double(file.metadata["sigma_data"] ?? "1"), deviation > 0, deviation.isFinite else {
        throw InputError("a checkpoint whose sigma_data is not a number above 0")
      }
      state.step = step
      self.state = state
      dataDeviation = deviation
    } catch let error as InputError {
      throw InputError(error.message, at: path)
    }
  }
}
