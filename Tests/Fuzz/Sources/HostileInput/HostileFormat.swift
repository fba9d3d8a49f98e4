// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation

/// A format that the program reads, with the reader as a user reaches it.
public struct HostileFormat: Sendable {
  public let name: String
  /// Words of the format, for mutations.
  public let words: [String]
  /// The longest input that a fuzzer makes.
  public let longest: Int
  /// The memory that the reader may take for itself, whatever the file's size: buffers, tables, messages.
  public let allowance: Int
  /// The bytes of values that an input says it holds, where it may be believed before they are read.
  public let claims: @Sendable (UnsafeRawBufferPointer) -> Int
  /// Reads bytes, with a folder to put files in.
  /// - Returns: the bytes of memory that the values read take.
  /// - Throws: `InputError`; any other error is a finding.
  let reader: @Sendable (_ bytes: UnsafeRawBufferPointer, _ folder: ScratchFolder) throws -> Int

  init(
    name: String, words: [String], longest: Int, allowance: Int = 2 << 20,
    claims: @escaping @Sendable (UnsafeRawBufferPointer) -> Int = { _ in 0 },
    reader: @escaping @Sendable (_ bytes: UnsafeRawBufferPointer, _ folder: ScratchFolder) throws -> Int
  ) {
    (self.name, self.words, self.longest, self.allowance) = (name, words, longest, allowance)
    (self.claims, self.reader) = (claims, reader)
  }

  public static let all: [HostileFormat] = [
    .yaml, .formula, .csv, .npy, .png, .idx, .cifar, .safetensors, .diffusersConfig, .diffusersScheduler,
    .tokenizer, .merges, .prompt, .textConfig,
  ]

  /// What became of an input.
  public enum Outcome: Sendable, Equatable {
    /// It was read; the bytes that its values take.
    case values(bytes: Int)
    /// It was refused in one line.
    case refused(String)
    /// Something else happened than the two.
    case finding(String)
  }

  /// Reads bytes as the program would.
  public func read(_ bytes: UnsafeRawBufferPointer, in folder: ScratchFolder) -> Outcome {
    Self.outcome { try reader(bytes, folder) }
  }

  static func outcome(_ read: () throws -> Int) -> Outcome {
    do {
      return .values(bytes: try read())
    } catch let error as InputError {
      let line = error.description
      if line.unicodeScalars.contains(where: { $0.value < 32 || $0.value == 127 }) {
        return .finding("a message that is not one line of text: \(line.debugDescription)")
      }
      if line.unicodeScalars.count > 4000 {
        return .finding("a message of \(line.unicodeScalars.count) characters: \(line.prefix(200))…")
      }
      return .refused(line)
    } catch {
      return .finding("an error that is none of wrong input: \(error)")
    }
  }
}
