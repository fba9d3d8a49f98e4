// SPDX-License-Identifier: GPL-3.0-or-later

/// Where each parameter of a network lies in ONE flat buffer of floats. Gradients, moments and averages have the same
/// layout, so that an optimiser, an average or a checkpoint is one loop.
///
/// A checkpoint holds tensors under their names in the order that everyone uses; the flat buffer holds them as the
/// kernels read them, with zeros in places where no channel is (their gradients are zero, so they stay).
public struct ParameterLayout: Sendable, Equatable {
  /// A tensor of a checkpoint.
  public struct Part: Sendable, Equatable {
    /// The tensor's name in checkpoints.
    public let name: String
    /// [out, in] or [out, in, the kernel's axes] for weights, [n] for a bias.
    public let shape: [Int]

    /// A tensor of a name and a shape.
    public init(name: String, shape: [Int]) {
      self.name = name
      self.shape = shape
    }

    /// How many values it has.
    public var count: Int { shape.reduce(1, *) }
  }

  /// How a parameter lies in the buffer.
  public enum Storage: Sendable, Equatable {
    /// As in the checkpoint.
    case plain
    /// A value per place; zeros between. Parts follow each other.
    case vector(ChannelPlaces)
    /// A matrix whose rows are placed so.
    case rows(ChannelPlaces)
    /// [out / 16][in / 16][tap][in % 16][out % 16], where taps run over the kernel's axes, the last one fastest. Parts
    /// follow each other along `out`.
    case convolution(in: ChannelPlaces, out: ChannelPlaces, taps: Int)
  }

  /// A parameter of a network: one tensor of a checkpoint, or several that lie together.
  public struct Entry: Sendable, Equatable {
    /// The tensors of a checkpoint that it holds.
    public let parts: [Part]
    /// How it lies in the buffer.
    public let storage: Storage
    /// Where it begins in the flat buffer.
    public let offset: Int

    /// The rows of the matrix that operations see; 1 for a vector and for a convolution's weights.
    public var rows: Int {
      switch storage {
      case .plain: parts[0].shape.count > 1 ? parts[0].shape[0] : 1
      case .rows(let places): places.padded
      case .vector, .convolution: 1
      }
    }
    /// The columns of the matrix that operations see.
    public var columns: Int {
      switch storage {
      case .plain: parts[0].shape.dropFirst(parts[0].shape.count > 1 ? 1 : 0).reduce(1, *)
      case .rows: parts[0].shape[1]
      case .vector(let places): parts.count * places.padded
      case .convolution(let input, let output, let taps):
        parts.count * input.padded * output.padded * taps
      }
    }
    /// How many floats it takes, places without a channel included.
    public var count: Int { rows * columns }

    /// The place in the buffer, from `offset`, of every value of a part in the checkpoint's order.
    package func places(ofPart part: Int) -> [Int] {
      switch storage {
      case .plain: return Array(0..<parts[0].count)
      case .vector(let places): return places.places.map { part * places.padded + $0 }
      case .rows(let places): return places.places.flatMap { row in (0..<columns).map { row * columns + $0 } }
      case .convolution(let input, let output, let taps):
        let inputs = input.places
        var places: [Int] = []
        places.reserveCapacity(output.count * input.count * taps)
        for o in output.places {
          let row = part * output.padded + o
          for i in inputs {
            let block = ((row / 16) * input.blocks + i / 16) * taps
            for tap in 0..<taps { places.append((block + tap) * 256 + i % 16 * 16 + row % 16) }
          }
        }
        return places
      }
    }
  }

  /// The parameters in the order of the buffer.
  public private(set) var entries: [Entry] = []
  /// The length of the flat buffer.
  public private(set) var count = 0

  /// A layout without parameters.
  public init() {}

  /// How many parameters there are, places without a channel aside.
  public var parameterCount: Int { entries.reduce(0) { $0 + $1.parts.reduce(0) { $0 + $1.count } } }

  /// Adds a parameter and returns its index.
  public mutating func add(_ name: String, shape: [Int]) -> Int { add([Part(name: name, shape: shape)], .plain) }

  /// Adds a parameter made of one or several tensors of equal shape.
  public mutating func add(_ parts: [Part], _ storage: Storage) -> Int {
    let entry = Entry(parts: parts, storage: storage, offset: count)
    entries.append(entry)
    count += entry.count
    return entries.count - 1
  }

  /// Adds all parameters of another layout, whose buffer is then a part of this one's.
  /// - Parameters:
  ///   - other: the layout.
  ///   - prefix: what the names of its tensors begin with here.
  public mutating func add(_ other: ParameterLayout, prefix: String) {
    for entry in other.entries {
      _ = add(entry.parts.map { Part(name: prefix + $0.name, shape: $0.shape) }, entry.storage)
    }
  }

  /// Every tensor of the checkpoint, with the parameter that it is a part of.
  package var parts: [(entry: Entry, part: Part, index: Int)] {
    entries.flatMap { entry in entry.parts.enumerated().map { (entry, $1, $0) } }
  }

  /// One tensor of a flat buffer, in the checkpoint's order.
  package func tensor(of entry: Entry, part: Int, in values: [Float]) -> [Float] {
    precondition(values.count == count)
    if case .plain = entry.storage { return Array(values[entry.offset..<entry.offset + entry.count]) }
    return entry.places(ofPart: part).map { values[entry.offset + $0] }
  }

  /// Reads every tensor of a flat buffer, in the checkpoint's order.
  public func forEachTensor(of values: [Float], _ body: (Part, [Float]) throws -> Void) rethrows {
    for (entry, part, index) in parts { try body(part, tensor(of: entry, part: index, in: values)) }
  }

  /// A flat buffer of the tensors that `tensor` gives.
  public func buffer(_ tensor: (Part) throws -> [Float]) rethrows -> [Float] {
    var values = [Float](repeating: 0, count: count)
    for entry in entries {
      for (index, part) in entry.parts.enumerated() {
        let read = try tensor(part)
        precondition(read.count == part.count)
        values.withUnsafeMutableBufferPointer { target in
          read.withUnsafeBufferPointer { read in
            guard let read = read.baseAddress, let target = target.baseAddress else { return }
            entry.place(read, part: index, in: target + entry.offset)
          }
        }
      }
    }
    return values
  }
}
