// SPDX-License-Identifier: GPL-3.0-or-later
import Core

extension Safetensors {
  /// Tensors by their names, like a dictionary. Those of a file are a few bytes each until they are asked for, so that
  /// a header of a million names takes no more memory than twice its own.
  public struct Table: Sendable, ExpressibleByDictionaryLiteral {
    struct Place {
      let offset: Int
      let firstSize: UInt32
      let rank: UInt8
      let type: SafetensorsType
    }

    private let bytes: SafetensorsBytes?
    private var places: [Place] = []
    private var sizes: [Int] = []
    private var found: [String: UInt32] = [:]
    /// Those that were put in by hand.
    private var given: [String: Entry] = [:]

    /// A table without tensors.
    public init() { bytes = nil }
    init(of bytes: SafetensorsBytes) { self.bytes = bytes }

    /// A table of given tensors; of two with one name the later stays.
    public init(dictionaryLiteral elements: (String, Entry)...) {
      self.init()
      for (name, entry) in elements { self[name] = entry }
    }

    /// A table of given tensors.
    public init(_ tensors: [String: Entry]) {
      self.init()
      given = tensors
    }

    /// Adds a tensor of the file.
    /// - Returns: false where there is one of that name.
    mutating func add(_ name: String, _ type: SafetensorsType, _ shape: [Int], at offset: Int) -> Bool {
      guard found.updateValue(UInt32(places.count), forKey: name) == nil else { return false }
      places.append(
        Place(offset: offset, firstSize: UInt32(sizes.count), rank: UInt8(shape.count), type: type))
      sizes += shape
      return true
    }

    /// All names, in no order.
    public var names: [String] { Array(found.keys) + given.keys.filter { found[$0] == nil } }

    /// How many tensors there are.
    public var count: Int { found.count + given.keys.count { found[$0] == nil } }

    /// The tensor of a name; nil where there is none. Setting nil removes it.
    public subscript(name: String) -> Entry? {
      get {
        if let entry = given[name] { return entry }
        guard let bytes, let index = found[name] else { return nil }
        let place = places[Int(index)]
        let first = Int(place.firstSize)
        return Entry(shape: Array(sizes[first..<first + Int(place.rank)]), place.type, at: place.offset, of: bytes)
      }
      set {
        found[name] = nil
        given[name] = newValue
      }
    }

    /// Removes the tensor of a name and returns it; nil where there was none.
    @discardableResult public mutating func removeValue(forKey name: String) -> Entry? {
      defer { self[name] = nil }
      return self[name]
    }

    /// Where the tensors of the file begin and end, for checks of the whole.
    var extents: [(begin: Int, end: Int)] {
      places.map { place in
        let first = Int(place.firstSize)
        let count = sizes[first..<first + Int(place.rank)].reduce(1, *)
        return (place.offset, place.offset + count * place.type.size)
      }
    }

    /// The name of a tensor that begins there.
    func name(at offset: Int) -> String { found.first { places[Int($0.value)].offset == offset }?.key ?? "?" }
  }
}

extension Safetensors.Table: Sequence {
  /// Each tensor with its name, in no order.
  public func makeIterator() -> AnyIterator<(key: String, value: Safetensors.Entry)> {
    var names = names.makeIterator()
    return AnyIterator { names.next().flatMap { name in self[name].map { (name, $0) } } }
  }
}

extension Safetensors.Table: Equatable {
  public static func == (a: Self, b: Self) -> Bool {
    a.count == b.count && a.names.allSatisfy { a[$0] == b[$0] }
  }
}
