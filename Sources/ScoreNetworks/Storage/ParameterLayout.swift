// SPDX-License-Identifier: GPL-3.0-or-later

/// Where each parameter of a network lies in ONE flat buffer of floats. Gradients, moments and averages have the same
/// layout, so that an optimiser, an average or a checkpoint is one loop.
public struct ParameterLayout: Sendable, Equatable {
  public struct Entry: Sendable, Equatable {
    public let name: String
    /// As stored in a checkpoint: [out, in] for a weight, [n] for a bias.
    public let shape: [Int]
    public let offset: Int

    public var rows: Int { shape.count > 1 ? shape[0] : 1 }
    public var columns: Int { shape.dropFirst(shape.count > 1 ? 1 : 0).reduce(1, *) }
    public var count: Int { shape.reduce(1, *) }
  }

  public private(set) var entries: [Entry] = []
  /// The length of the flat buffer.
  public private(set) var count = 0

  public init() {}

  /// Adds a parameter and returns its index.
  public mutating func add(_ name: String, shape: [Int]) -> Int {
    let entry = Entry(name: name, shape: shape, offset: count)
    entries.append(entry)
    count += entry.count
    return entries.count - 1
  }
}
