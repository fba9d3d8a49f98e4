// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Foundation

/// The files of a generation: a PNG file for each picture, numbered where there are several, or one array.
struct GeneratedFiles {
  /// The files in the order of the pictures.
  let paths: [String]
  private let format: GenerationRequest.Format

  /// Looks whether the files can be written, before anything is computed.
  /// - Throws: `InputError` at the option for a folder that is not there, and for a name that a folder has.
  init(_ request: GenerationRequest) throws {
    format = try request.fileFormat()
    paths = Self.paths(request.output, format, pictures: request.pictures)
    func wrong(_ message: String) -> InputError { InputError(message, at: "--output") }
    var isFolder: ObjCBool = false
    let parent = parentFolder(of: request.output)
    guard FileManager.default.fileExists(atPath: parent.isEmpty ? "." : parent, isDirectory: &isFolder),
      isFolder.boolValue
    else { throw wrong("the folder '\(parent)' is not there; allowed: a file in one that is") }
    for path in paths where FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) && isFolder.boolValue {
      throw wrong("'\(path)' is a folder; allowed: a file")
    }
  }

  /// tower.png, or tower-01.png to tower-12.png.
  static func paths(_ output: String, _ format: GenerationRequest.Format, pictures: Int) -> [String] {
    guard format == .png, pictures > 1 else { return [output] }
    let path = output as NSString
    let ending = path.pathExtension.isEmpty ? "" : ".\(path.pathExtension)"
    let digits = String(pictures).count
    return (1...pictures).map { number in
      let text = String(number)
      return "\(path.deletingPathExtension)-\(String(repeating: "0", count: digits - text.count))\(text)\(ending)"
    }
  }

  /// Writes the pictures.
  /// - Parameters:
  ///   - images: values in [0, 1].
  ///   - shape: of a picture.
  /// - Throws: `WriteError`.
  func write(_ images: Batch, _ shape: ImageShape) throws {
    switch format {
    case .npy: try Self.writeArray(images, shape, to: paths[0])
    case .png:
      for (row, path) in paths.enumerated() {
        var picture = Picture(width: shape.width, height: shape.height)
        let values = images.row(row)
        for (i, start) in stride(from: values.startIndex, to: values.endIndex, by: 3).enumerated() {
          func byte(_ channel: Int) -> UInt8 { UInt8((255 * values[start + channel]).rounded(.toNearestOrEven)) }
          picture.set(i % shape.width, i / shape.width, (byte(0), byte(1), byte(2)))
        }
        let data = try picture.png()
        try data.withUnsafeBytes { try AtomicFile.write($0, to: path) }
      }
    }
  }

  /// NumPy's format, version 1: little-endian single precision, count × height × width × 3.
  private static func writeArray(_ images: Batch, _ shape: ImageShape, to path: String) throws {
    let sizes = "(\(images.count), \(shape.height), \(shape.width), \(shape.channels))"
    var header = "{'descr': '<f4', 'fortran_order': False, 'shape': \(sizes), }"
    while (10 + header.count + 1) % 64 != 0 { header += " " }
    header += "\n"
    var start = Data([0x93]) + Data("NUMPY".utf8) + Data([1, 0, UInt8(header.count & 255), UInt8(header.count >> 8)])
    start.append(Data(header.utf8))
    try AtomicFile.write(to: path) { write in
      try start.withUnsafeBytes { try write($0) }
      for row in 0..<images.count {
        try images.row(row).map(Float.init).withUnsafeBytes { try write($0) }
      }
    }
  }
}
