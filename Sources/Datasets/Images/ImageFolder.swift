// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation

/// The PNG files of a folder and of those in it, sorted by path, without hidden ones. File i is held out when i mod 6 =
/// 5; of fewer than 6, the last.
///
/// Images larger than the rows are cropped: at random in training, once and for all, without flips, in
/// `Dataset.training` and `Dataset.heldOut`. If all have the rows' size, those are the images themselves.
public struct ImageFolder: DataSource {
  private let files: [PNGFile]
  private let shape: ImageShape
  private let flips: Bool
  private let crops: (training: Int, heldOut: Int)
  public let fingerprint: String

  /// - Parameters:
  ///   - size: the height and width of a row.
  ///   - channels: 3 for RGB, 1 for gray.
  ///   - flip: whether half of the training rows are mirrored left to right.
  ///   - crops: how many rows `Dataset.training` has, and `heldOut` those of `Dataset.heldOut`.
  public init(
    path: String, size: Int, channels: Int = 3, flip: Bool = true, crops: Int = 2000, heldOut: Int = 1000
  ) throws {
    precondition(size > 0 && (channels == 1 || channels == 3) && crops > 0 && heldOut > 0)
    try FileBytes.requireFolder(path)
    guard let found = FileManager.default.enumerator(atPath: path) else {
      throw InputError("is not a readable folder", at: path)
    }
    let names = found.compactMap { $0 as? String }.filter { name in
      name.lowercased().hasSuffix(".png") && !name.split(separator: "/").contains { $0.hasPrefix(".") }
    }
    .filter { (try? FileBytes.state(of: path.appendingFile($0))) != nil }.sorted()
    guard names.count >= 2 else {
      throw InputError("holds \(names.count) .png files; allowed: a folder of 2 or more", at: path)
    }
    files = try names.map { try PNGFile(path: path.appendingFile($0)) }
    for file in files where file.width < size || file.height < size {
      throw InputError("is \(file.width) × \(file.height) pixels; allowed: \(size) × \(size) or more", at: file.path)
    }
    shape = ImageShape(height: size, width: size, channels: channels)
    // 2³¹ values are 16 GiB.
    let (values, overflow) = max(crops, heldOut).multipliedReportingOverflow(by: shape.count)
    guard !overflow, values <= 1 << 31 else {
      throw InputError("\(max(crops, heldOut)) crops of \(shape.count) values are more than memory holds", at: path)
    }
    flips = flip
    self.crops = (crops, heldOut)
    fingerprint = try Checksum.text(of: zip(names, files).map { ($0, $1.path) })
  }

  public var dimension: Int { shape.count }
  public var imageShape: ImageShape? { shape }
  public var levels: Quantisation? { ImageSource.byteLevels }

  public func load(seed: UInt64) throws -> Dataset {
    var training = ImageSource(shape: shape, flips: flips)
    var heldOut = ImageSource(shape: shape)
    for (index, file) in files.enumerated() {
      let pixels = try file.pixels(channels: shape.channels)
      if HeldOut.contains(index, of: files.count) {
        heldOut.append(pixels, height: file.height, width: file.width)
      } else {
        training.append(pixels, height: file.height, width: file.width)
      }
    }
    if files.allSatisfy({ $0.height == shape.height && $0.width == shape.width }) {
      return Dataset(training: training, heldOut: heldOut)
    }
    return Dataset(
      training: training.crops(crops.training, from: NoiseStream(seed: seed, purpose: .data)),
      heldOut: heldOut.crops(crops.heldOut, from: NoiseStream(seed: seed, purpose: .heldOutData)), source: training)
  }
}

extension String {
  /// The path of a file in this folder.
  func appendingFile(_ name: String) -> String { hasSuffix("/") ? self + name : "\(self)/\(name)" }

  /// The part behind the last slash.
  var fileName: String { String(split(separator: "/").last ?? "") }
}
