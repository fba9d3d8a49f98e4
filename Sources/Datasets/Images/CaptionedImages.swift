// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// PNG files of a folder with captions, as its `captions.csv` lists them: a row for every caption.
///
/// Images larger than the rows are cropped: at random in training, in the middle in `Dataset.training` and
/// `Dataset.heldOut`. A share of the files is held out, with all their captions.
public struct CaptionedImages: DataSource {
  private let training: Part
  private let heldOut: Part?
  private let options: ImageFolder.Options
  private let shape: ImageShape
  public let fingerprint: String
  public let notes: [String]

  /// The images of one folder, each once, and the rows that they make.
  private struct Part {
    private let unpacked = UnpackedImages()
    let files: [PNGFile]
    /// The file of each row, by its number, and what it shows.
    let rows: [(file: Int, caption: String)]

    init(
      _ folder: String, size: Int, _ checksum: inout ContentChecksum, _ notes: inout [String]
    ) throws {
      try FileBytes.requireFolder(folder)
      let table = try CaptionTable(folder: folder)
      var files: [PNGFile] = []
      var numbers: [String: Int] = [:]
      rows = try table.entries.map { entry in
        checksum.add(entry.file)
        checksum.add(entry.caption)
        if let number = numbers[entry.file] { return (number, entry.caption) }
        let file: PNGFile
        do {
          file = try PNGFile(path: folder.appendingFile(entry.file))
        } catch let error as InputError {
          throw InputError("'\(entry.file.shown)': \(error.message)", at: table.location(of: entry))
        }
        guard file.width >= size, file.height >= size else {
          throw InputError(
            "'\(entry.file.shown)' is \(file.width) × \(file.height) pixels; allowed: \(size) × \(size) or more",
            at: table.location(of: entry))
        }
        checksum.add(String(file.checksum))
        numbers[entry.file] = files.count
        files.append(file)
        return (files.count - 1, entry.caption)
      }
      self.files = files
      let unnamed = try FolderListing(folder).images.map(\.name).filter { numbers[$0] == nil }
      if let first = unnamed.first {
        notes.append(
          "\(table.path): names no caption of \(unnamed.count) .png files, which are left out: the first is \(first)")
      }
      let empty = rows.count { $0.caption.isEmpty }
      if empty > 0 { notes.append("\(table.path): \(empty) of \(rows.count) captions are empty") }
    }

    /// The captions, and the images as rows.
    func rows(_ indices: [Int], _ shape: ImageShape, _ options: ImageFolder.Options) throws -> (ImageSource, Conditions)
    {
      let images = try unpacked.images {
        try ImageSource(unpacking: files, shape: shape, background: options.background, flips: options.flip)
      }
      return (images.only(indices.map { rows[$0].file }), .texts(indices.map { rows[$0].caption }))
    }
  }

  /// - Parameters:
  ///   - path: the folder.
  ///   - options: how images are read; `crops`, `heldOutCrops` and `labelsFolders` are of no use here. A mirrored
  ///     picture is what its caption says only where that tells no left from right.
  /// - Throws: `InputError` at file and line for captions that are no such table, for images that are not there, cannot
  ///   be read or are smaller than the rows, and for fewer than 2 images where some of them are held out.
  public init(path: String, _ options: ImageFolder.Options) throws {
    precondition(options.size > 0 && (options.channels == 1 || options.channels == 3))
    self.options = options
    shape = ImageShape(height: options.size, width: options.size, channels: options.channels)
    var (checksum, notes) = (ContentChecksum(), [String]())
    training = try Part(path, size: options.size, &checksum, &notes)
    if case .file(let other) = options.heldOut {
      checksum.add("held out")
      heldOut = try Part(other, size: options.size, &checksum, &notes)
    } else {
      heldOut = nil
      guard training.files.count >= 2 else {
        throw InputError("has captions of 1 image; allowed: 2 or more, or held_out: {path: FOLDER} beside it", at: path)
      }
    }
    fingerprint = checksum.text
    self.notes = notes
  }

  public var dimension: Int { shape.count }
  public var imageShape: ImageShape? { shape }
  public var levels: Quantisation? { ImageSource.byteLevels }
  public var conditionShape: ConditionShape { .text }
  public var texts: [String] { (training.rows + (heldOut?.rows ?? [])).map(\.caption) }
  public var conditionColumns: ConditionColumns { .text("caption") }

  public func load(seed: UInt64) throws -> Dataset {
    let all = Array(training.rows.indices)
    func dataset(_ learned: (ImageSource, Conditions), _ judged: (ImageSource, Conditions)) -> Dataset {
      Dataset(
        training: learned.0, heldOut: judged.0, trainingConditions: learned.1, heldOutConditions: judged.1)
    }
    if let heldOut {
      return dataset(
        try training.rows(all, shape, options), try heldOut.rows(Array(heldOut.rows.indices), shape, options))
    }
    guard case .share(let share) = options.heldOut else { preconditionFailure("a folder of its own is held out") }
    // All captions of a file are on one side.
    let judges = Set(HeldOut.split(count: training.files.count, share: share, seed: seed).heldOut)
    return dataset(
      try training.rows(all.filter { !judges.contains(training.rows[$0].file) }, shape, options),
      try training.rows(all.filter { judges.contains(training.rows[$0].file) }, shape, options))
  }
}
