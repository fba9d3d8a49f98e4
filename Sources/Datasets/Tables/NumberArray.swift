// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// The numbers of an `.npy` file with the array's shape.
public struct NumberArray: Sendable {
  /// The sizes of the array, the slowest index first.
  public let shape: [Int]
  /// All numbers, the last index fastest.
  public let values: [Double]

  /// The largest array that is read, in numbers: 2 GB of doubles.
  private static let largest = 1 << 28

  /// - Throws: `InputError` for what is no array of numbers, or one of more than 2²⁸.
  public init(_ path: String) throws {
    let window = try TextWindow(path)
    _ = try window.more()
    guard window.begins(with: NPYFile.magic) else { throw InputError("is no .npy file", at: path) }
    let file = try NPYFile(window)
    shape = file.header.shape
    let count = file.header.shape.reduce(1, *)
    guard count <= Self.largest else { throw InputError("has \(count) numbers; allowed: \(Self.largest)", at: path) }
    values = [Double](unsafeUninitializedCapacity: count) { buffer, filled in
      guard let base = buffer.baseAddress else { return }
      base.initialize(repeating: 0, count: count)
      file.write(0..<file.header.count, columns: nil, into: base)
      filled = count
    }
  }
}
