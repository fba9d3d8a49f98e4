// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// Images of an IDX file, as MNIST's: count × height × width, or count × height × width × channels with 1 or 3
/// channels. Some are held out, or those of a file of their own.
public struct IDXImages: DataSource {
  private let training: Part
  private let heldOut: Part?
  private let share: Double
  private let flips: Bool
  public let conditionShape: ConditionShape
  public let occurringClasses: [Int]?
  public let fingerprint: String
  public let notes: [String]

  /// How many values an image may have.
  static let largestImage = 1 << 26

  /// Images, and a label for each or none at all.
  private struct Part {
    let images: IDXFile
    let labels: [Int]?
    let shape: ImageShape

    var conditions: Conditions { labels.map { .labels($0) } ?? .nothing }

    init(_ path: String, labels: String?, _ checksum: inout ContentChecksum, inMemory limit: Int) throws {
      images = try IDXFile(path: path, dimensions: 3...4, checksum: &checksum, inMemory: limit)
      let sizes = images.sizes
      shape = ImageShape(height: sizes[1], width: sizes[2], channels: sizes.count == 4 ? sizes[3] : 1)
      guard [1, 3].contains(shape.channels) else {
        throw InputError("images of \(shape.channels) channels; allowed: 1 or 3", at: path)
      }
      guard shape.count <= IDXImages.largestImage else {
        throw InputError("images of \(shape.count) values; allowed: up to \(IDXImages.largestImage)", at: path)
      }
      guard let labels else {
        self.labels = nil
        return
      }
      checksum.add("labels")
      let file = try IDXFile(path: labels, dimensions: 1...1, checksum: &checksum)
      guard file.count == images.count else {
        throw InputError("\(file.count) labels for the \(images.count) images of \(path)", at: labels)
      }
      self.labels = try file.values().map(Int.init)
    }

    func source(flips: Bool) -> ImageSource {
      var source = ImageSource(shape: shape, flips: flips)
      source.append(images.bytes, count: images.count, from: images.offset, stride: shape.count)
      return source
    }
  }

  /// - Parameters:
  ///   - path: the images to learn from.
  ///   - labels: an IDX file of one byte an image; there are as many classes as the largest label, plus 1.
  ///   - heldOut: a share of the images, or a file of held-out images, whose labels are in `heldOutLabels`.
  ///   - heldOutLabels: where there are labels and a file of held-out images, and only there.
  ///   - flip: whether half of the training rows are mirrored left to right.
  public init(
    path: String, labels: String? = nil, heldOut: HeldOut = .share(HeldOut.standardShare),
    heldOutLabels: String? = nil, flip: Bool = false
  ) throws {
    try self.init(
      path: path, labels: labels, heldOut: heldOut, heldOutLabels: heldOutLabels, flip: flip,
      inMemory: PixelBytes.largestInMemory)
  }

  /// - Parameter limit: files of more bytes stay where they lie.
  package init(
    path: String, labels: String?, heldOut: HeldOut, heldOutLabels: String?, flip: Bool, inMemory limit: Int
  ) throws {
    var other: String?
    if case .file(let file) = heldOut { other = file }
    guard other == nil ? heldOutLabels == nil : (labels == nil) == (heldOutLabels == nil) else {
      throw InputError("held_out_labels stand beside labels and a held_out file, and only there", at: path)
    }
    var checksum = ContentChecksum()
    let training = try Part(path, labels: labels, &checksum, inMemory: limit)
    self.training = training
    checksum.add("held out")
    self.heldOut = try other.map { try Part($0, labels: heldOutLabels, &checksum, inMemory: limit) }
    if let part = self.heldOut, part.shape != training.shape {
      throw InputError(
        "images of \(IDXFile.text(Array(part.images.sizes.dropFirst()))); those of \(path) are "
          + IDXFile.text(Array(training.images.sizes.dropFirst())), at: part.images.path)
    }
    guard self.heldOut != nil || training.images.count >= 2 else {
      throw InputError("1 image; allowed: 2 or more, or 1 with a held_out file", at: path)
    }
    if case .share(let share) = heldOut { self.share = share } else { share = HeldOut.standardShare }
    flips = flip
    let largest = ((training.labels ?? []) + (self.heldOut?.labels ?? [])).max()
    conditionShape = largest.map { .classes($0 + 1) } ?? .nothing
    occurringClasses = training.labels.flatMap { Classes.occurring(in: $0, of: largest.map { $0 + 1 } ?? 0) }
    fingerprint = checksum.text
    let (count, lesson) = (training.images.count, "there is nothing to learn from them")
    if let value = training.images.constant {
      notes = ["\(path): every value of its \(count) images is \(value), a constant: \(lesson)"]
    } else if training.source(flips: false).repeatsOneImage {
      notes = ["\(path): all \(count) images are the same, constant data: \(lesson)"]
    } else {
      notes = []
    }
  }

  public var dimension: Int { training.shape.count }
  public var imageShape: ImageShape? { training.shape }
  public var levels: Quantisation? { ImageSource.byteLevels }

  public func load(seed: UInt64) throws -> Dataset {
    let images = training.source(flips: flips)
    if let heldOut {
      return Dataset(
        training: images, heldOut: heldOut.source(flips: false), trainingConditions: training.conditions,
        heldOutConditions: heldOut.conditions)
    }
    let rows = HeldOut.split(count: images.count, classes: training.labels, share: share, seed: seed)
    return Dataset(
      training: images.only(rows.training), heldOut: images.only(rows.heldOut),
      trainingConditions: training.conditions.only(rows.training),
      heldOutConditions: training.conditions.only(rows.heldOut))
  }
}
