// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Models
import Networks
import Testing

/// A copy of a fixture that a test may spoil.
final class SpoiledFolder {
  let path: String
  var config: String { "\(path)/config.json" }
  var weights: String { "\(path)/diffusion_pytorch_model.safetensors" }

  init(_ name: String = "plain", in family: String = "UNets") throws {
    path = FileManager.default.temporaryDirectory.appendingPathComponent("unet-\(UUID().uuidString)").path
    try FileManager.default.copyItem(atPath: DiffusersTests.folder(name, in: family), toPath: path)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func write(_ text: String, to name: String) throws { try write(Data(text.utf8), to: name) }

  func write(_ data: Data, to name: String) throws {
    let file = URL(fileURLWithPath: "\(path)/\(name)")
    try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
    try data.write(to: file)
  }

  func remove(_ file: String) throws { try FileManager.default.removeItem(atPath: file) }

  /// Gives keys of config.json other values, as JSON.
  func configure(_ values: [String: String]) throws {
    var object = try #require(
      JSONSerialization.jsonObject(with: Data(contentsOf: URL(fileURLWithPath: config))) as? [String: Any])
    for (key, json) in values {
      object[key] = try JSONSerialization.jsonObject(with: Data(json.utf8), options: .fragmentsAllowed)
    }
    try JSONSerialization.data(withJSONObject: object).write(to: URL(fileURLWithPath: config))
  }

  func edit(_ change: (inout Safetensors.Table) throws -> Void) throws {
    var file = try Safetensors(reading: weights)
    try change(&file.tensors)
    try file.encoded().write(to: URL(fileURLWithPath: weights))
  }

  /// The folder is refused in one line that says `text`, at `location`.
  func expectRefused(_ text: String, at location: String) {
    let error = #expect(throws: InputError.self) { _ = try DiffusersFolder(path) }
    #expect(error?.location == location)
    #expect(error?.message.contains(text) == true, "\(String(describing: error))")
    #expect(error?.message.contains("\n") == false)
  }

  /// Moves a file within the folder.
  func move(_ name: String, to other: String) throws {
    let target = "\(path)/\(other)"
    try FileManager.default.createDirectory(
      atPath: (target as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
    try FileManager.default.moveItem(atPath: "\(path)/\(name)", toPath: target)
  }

  /// The folder is read, and told about in these words, one line each.
  func expectNotes(_ texts: [String], subfolder: String? = nil, variant: String? = nil) throws {
    let notes = try DiffusersFolder(path, subfolder: subfolder, variant: variant).notes
    #expect(notes.count == texts.count, "\(notes)")
    for (note, text) in zip(notes, texts) { #expect(note.contains(text), "\(note)") }
  }
}

/// A safetensors file of any types: bytes as they are.
func safetensors(_ tensors: [(name: String, type: String, shape: [Int], bytes: Data)]) -> Data {
  var (header, body) = ("{", Data())
  for (name, type, shape, bytes) in tensors {
    header += header.count > 1 ? "," : ""
    header += "\"\(name)\":{\"dtype\":\"\(type)\",\"shape\":\(shape),\"data_offsets\":[\(body.count),"
    body += bytes
    header += "\(body.count)]}"
  }
  header += "}"
  return withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Data($0) } + Data(header.utf8) + body
}
