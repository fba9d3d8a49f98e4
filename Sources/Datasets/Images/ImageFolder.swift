// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// The PNG files of a folder and of those in it, as `FolderListing` finds them.
///
/// Images larger than the rows are cropped: at random in training, once and for all, without flips, in
/// `Dataset.training` and `Dataset.heldOut`. If all have the rows' size, those are the images themselves.
public struct ImageFolder: DataSource {
  /// What transparent pixels are composed on.
  public enum Background: String, Sendable, CaseIterable {
    /// 255 in every channel.
    case white
    /// 0 in every channel.
    case black
    /// 128 in every channel.
    case gray

    var value: UInt8 {
      switch self {
      case .white: 255
      case .black: 0
      case .gray: 128
      }
    }
  }

  /// How an image folder is read.
  public struct Options: Sendable {
    /// The height and width of a row.
    public var size: Int
    /// 3 for RGB, 1 for gray.
    public var channels = 3
    /// Whether half of the training rows are mirrored left to right.
    public var flip = true
    /// How many rows `Dataset.training` has where images are larger than the rows.
    public var crops = 2000
    /// How many rows `Dataset.heldOut` has where images are larger than the rows.
    public var heldOutCrops = 1000
    /// What transparent pixels are composed on.
    public var background = Background.white
    /// Whether the class of an image is the folder that it lies in, of those in the folder, in the order of their
    /// names.
    public var labelsFolders = false
    /// Which images judge: a share, or those of another folder.
    public var heldOut = HeldOut.share(HeldOut.standardShare)

    /// The default options for rows of `size` × `size` pixels.
    public init(size: Int) { self.size = size }
  }

  private let training: Part
  private let heldOut: Part?
  private let options: Options
  private let shape: ImageShape
  /// The names of the classes, sorted; empty where there are none.
  public let classNames: [String]
  public let fingerprint: String
  public let notes: [String]

  /// The images of one folder.
  private struct Part {
    private let unpacked = UnpackedImages()

    let path: String
    let files: [PNGFile]
    let names: [String]
    /// The folder that each lies in; empty for those that lie in none.
    var folders: [String] { names.map { $0.contains("/") ? String($0.prefix { $0 != "/" }) : "" } }

    /// The images as bytes.
    func source(_ shape: ImageShape, _ options: Options) throws -> ImageSource {
      try unpacked.images {
        try ImageSource(unpacking: files, shape: shape, background: options.background, flips: options.flip)
      }
    }

    init(_ path: String, _ options: Options, _ checksum: inout ContentChecksum, _ notes: inout [String]) throws {
      self.path = path
      let listing = try FolderListing(path)
      notes += listing.notes
      names = listing.images.map(\.name)
      files = try listing.images.map { try PNGFile(path: $0.path) }
      for file in files where file.width < options.size || file.height < options.size {
        throw InputError(
          "is \(file.width) × \(file.height) pixels; allowed: \(options.size) × \(options.size) or more", at: file.path)
      }
      for (name, file) in zip(names, files) {
        checksum.add(name)
        checksum.add(String(file.checksum))
      }
      guard !files.isEmpty else { throw InputError("holds 0 .png files; allowed: 1 or more", at: path) }
    }
  }

  /// A folder without classes, of which a share is held out.
  /// - Parameters:
  ///   - path: the folder.
  ///   - size: the height and width of a row.
  ///   - channels: 3 for RGB, 1 for gray.
  ///   - flip: whether half of the training rows are mirrored left to right.
  ///   - crops: how many rows `Dataset.training` has.
  ///   - heldOut: how many rows `Dataset.heldOut` has.
  public init(
    path: String, size: Int, channels: Int = 3, flip: Bool = true, crops: Int = 2000, heldOut: Int = 1000
  ) throws {
    var options = Options(size: size)
    (options.channels, options.flip, options.crops, options.heldOutCrops) = (channels, flip, crops, heldOut)
    try self.init(path: path, options)
  }

  /// - Throws: `InputError` for a folder that holds too few images or anything that `FolderListing` refuses, for images
  ///   that are smaller than the rows, and for images without a class where classes are asked for.
  public init(path: String, _ options: Options) throws {
    precondition(options.size > 0 && options.crops > 0 && options.heldOutCrops > 0)
    precondition(options.channels == 1 || options.channels == 3)
    self.options = options
    shape = ImageShape(height: options.size, width: options.size, channels: options.channels)
    var (checksum, notes) = (ContentChecksum(), [String]())
    var minimum = 2
    if case .file(let other) = options.heldOut {
      minimum = 1
      training = try Part(path, options, &checksum, &notes)
      checksum.add("held out")
      heldOut = try Part(other, options, &checksum, &notes)
    } else {
      training = try Part(path, options, &checksum, &notes)
      heldOut = nil
    }
    guard training.files.count >= minimum else {
      throw InputError("holds \(training.files.count) .png files; allowed: a folder of 2 or more", at: path)
    }
    // 2³¹ values are 16 GiB.
    let rows = max(options.crops, options.heldOutCrops)
    let (values, overflow) = rows.multipliedReportingOverflow(by: shape.count)
    guard !overflow, values <= 1 << 31 else {
      throw InputError("\(rows) crops of \(shape.count) values are more than memory holds", at: path)
    }
    classNames = options.labelsFolders ? try Self.classNames(training, heldOut) : []
    if let note = try Self.constancy(training, shape, options) { notes.append(note) }
    fingerprint = checksum.text
    self.notes = notes
  }

  private static func classNames(_ training: Part, _ heldOut: Part?) throws -> [String] {
    for part in [training, heldOut].compactMap({ $0 }) {
      if let index = part.folders.firstIndex(of: "") {
        throw InputError(
          "lies in no folder of its class; allowed with label: folder: \(part.path)/CLASS/…", at: part.files[index].path
        )
      }
    }
    let names = Set(training.folders).sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    if let index = heldOut?.folders.firstIndex(where: { !names.contains($0) }), let heldOut {
      throw InputError(
        "lies in a folder that \(training.path) does not have; allowed: \(names.joined(separator: ", "))",
        at: heldOut.files[index].path)
    }
    return names
  }

  /// What is to be said of images that are all alike, or all of one color. One that is not ends the search.
  private static func constancy(_ part: Part, _ shape: ImageShape, _ options: Options) throws -> String? {
    let count = part.files.count
    if count > 1, part.files.dropFirst().allSatisfy({ $0.checksum == part.files[0].checksum }) {
      return "\(part.path): all \(count) images are the same file, constant data: there is nothing to learn from them"
    }
    var level: UInt8?
    for file in part.files {
      let pixels = try file.pixels(channels: shape.channels, background: options.background.value)
      level = level ?? pixels[0]
      guard pixels.allSatisfy({ $0 == level }) else { return nil }
    }
    let other = options.background == .black ? Background.white : .black
    let remedy =
      part.files.contains(where: \.isTransparent)
      ? "they are transparent: background: \(other) shows what is drawn on them" : "there is nothing to learn from them"
    return "\(part.path): every value of its \(count) images is \(level ?? 0), a constant; \(remedy)"
  }

  public var dimension: Int { shape.count }
  public var imageShape: ImageShape? { shape }
  public var levels: Quantisation? { ImageSource.byteLevels }
  public var conditionShape: ConditionShape { classNames.isEmpty ? .nothing : .classes(classNames.count) }

  public func load(seed: UInt64) throws -> Dataset {
    let (images, labels) = (try training.source(shape, options), labels(of: training))
    if let heldOut {
      return dataset(images, try heldOut.source(shape, options), labels, self.labels(of: heldOut), seed)
    }
    guard case .share(let share) = options.heldOut else { preconditionFailure("a folder of its own is held out") }
    let rows = HeldOut.split(count: images.count, classes: labels, share: share, seed: seed)
    func only(_ rows: [Int]) -> [Int]? { labels.map { labels in rows.map { labels[$0] } } }
    return dataset(
      images.only(rows.training), images.only(rows.heldOut), only(rows.training), only(rows.heldOut), seed)
  }

  private func labels(of part: Part) -> [Int]? {
    guard options.labelsFolders else { return nil }
    let numbers = Dictionary(uniqueKeysWithValues: classNames.enumerated().map { ($1, $0) })
    return part.folders.map { numbers[$0] ?? 0 }
  }

  private func dataset(
    _ training: ImageSource, _ heldOut: ImageSource, _ labels: [Int]?, _ heldOutLabels: [Int]?, _ seed: UInt64
  ) -> Dataset {
    func conditions(_ labels: [Int]?) -> Conditions { labels.map { .labels($0) } ?? .nothing }
    // Rows of classes are all images, each once: the middle of those that are larger.
    if training.isExact && heldOut.isExact || labels != nil {
      return Dataset(
        training: training, heldOut: heldOut, trainingConditions: conditions(labels),
        heldOutConditions: conditions(heldOutLabels))
    }
    return Dataset(
      training: training.cropRows(options.crops, from: NoiseStream(seed: seed, purpose: .data)),
      heldOut: heldOut.cropRows(options.heldOutCrops, from: NoiseStream(seed: seed, purpose: .heldOutData)),
      source: training)
  }
}
