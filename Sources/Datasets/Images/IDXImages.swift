// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// Images of an IDX file, as MNIST's: count × height × width, or count × height × width × channels with 1 or 3
/// channels.
///
/// Image i is held out when i mod 6 = 5 (of fewer than 6, the last), unless there is a file of held-out images.
public struct IDXImages: DataSource {
  private let training: Part
  private let heldOut: Part?
  private let flips: Bool
  public let conditionShape: ConditionShape
  public let fingerprint: String

  /// Images, and a label for each or none at all.
  private struct Part {
    let images: IDXFile
    let labels: [Int]
    let shape: ImageShape

    var conditions: Conditions { labels.isEmpty ? .nothing : .labels(labels) }

    init(_ path: String, labels: String?) throws {
      images = try IDXFile(path: path, dimensions: 3...4)
      let sizes = images.sizes
      shape = ImageShape(height: sizes[1], width: sizes[2], channels: sizes.count == 4 ? sizes[3] : 1)
      guard [1, 3].contains(shape.channels) else {
        throw InputError("images of \(shape.channels) channels; allowed: 1 or 3", at: path)
      }
      guard let labels else {
        self.labels = []
        return
      }
      let file = try IDXFile(path: labels, dimensions: 1...1)
      guard file.count == images.count else {
        throw InputError("\(file.count) labels for the \(images.count) images of \(path)", at: labels)
      }
      self.labels = try file.values().map(Int.init)
    }
  }

  /// - Parameters:
  ///   - labels: an IDX file of one byte an image; there are as many classes as the largest label, plus 1.
  ///   - heldOut: a file of held-out images, whose labels are in `heldOutLabels`.
  ///   - flip: whether half of the training rows are mirrored left to right.
  public init(
    path: String, labels: String? = nil, heldOut: String? = nil, heldOutLabels: String? = nil, flip: Bool = false
  ) throws {
    let isLabelled = heldOut == nil ? heldOutLabels == nil : (labels == nil) == (heldOutLabels == nil)
    guard isLabelled else {
      throw InputError("held_out_labels stand beside labels and held_out, and only there", at: path)
    }
    training = try Part(path, labels: labels)
    self.heldOut = try heldOut.map { try Part($0, labels: heldOutLabels) }
    if let part = self.heldOut, part.shape != training.shape {
      throw InputError(
        "images of \(IDXFile.text(Array(part.images.sizes.dropFirst()))); those of \(path) are "
          + IDXFile.text(Array(training.images.sizes.dropFirst())), at: part.images.path)
    }
    guard self.heldOut != nil || training.images.count >= 2 else {
      throw InputError("1 image; allowed: 2 or more, or 1 with held_out", at: path)
    }
    flips = flip
    let largest = (training.labels + (self.heldOut?.labels ?? [])).max()
    conditionShape = largest.map { .classes($0 + 1) } ?? .nothing
    fingerprint = try Checksum.text(
      of: [path, labels, heldOut, heldOutLabels].compactMap { $0 }.map { ($0.fileName, $0) })
  }

  public var dimension: Int { training.shape.count }
  public var imageShape: ImageShape? { training.shape }
  public var levels: Quantisation? { ImageSource.byteLevels }

  public func load(seed: UInt64) throws -> Dataset {
    let images = try source(training)
    if let heldOut {
      return Dataset(
        training: images, heldOut: try source(heldOut), trainingConditions: training.conditions,
        heldOutConditions: heldOut.conditions)
    }
    let rows = HeldOut.split(images.count)
    return Dataset(
      training: images.only(rows.training), heldOut: images.only(rows.heldOut),
      trainingConditions: training.conditions.only(rows.training),
      heldOutConditions: training.conditions.only(rows.heldOut))
  }

  private func source(_ part: Part) throws -> ImageSource {
    var source = ImageSource(shape: part.shape, flips: flips)
    source.append(try part.images.values())
    return source
  }
}
