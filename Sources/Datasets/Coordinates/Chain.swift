// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// Several maps, one after the other: y = φ_n(… φ_1(x)).
public struct Chain: Coordinates {
  /// φ_1 to φ_n
  public let maps: [any Coordinates]
  /// How many values go into each map, and how many come out of the last.
  private let dimensions: [Int]

  /// - Parameters:
  ///   - maps: φ_1 to φ_n.
  ///   - dimension: how many values a row of data has.
  public init(_ maps: [any Coordinates], dimension: Int) {
    self.maps = maps
    dimensions = maps.reduce(into: [dimension]) { $0.append($1.dimension(of: $0.last ?? dimension)) }
  }

  public func dimension(of dimension: Int) -> Int { maps.reduce(dimension) { $1.dimension(of: $0) } }

  public func encode(_ x: Rows, into y: Rows, from stream: NoiseStream?, step: Int) throws {
    guard let last = maps.last else {
      if x.values != y.values { y.copy(x) }
      return
    }
    var current = x
    // What lies between the maps is kept until the last has read it.
    var storages: [RowStorage] = []
    defer { withExtendedLifetime(storages) {} }
    for map in maps.dropLast() {
      let next = RowStorage(current.span.with(dimension: map.dimension(of: current.dimension)))
      try map.encode(current, into: next.rows, from: stream, step: step)
      storages.append(next)
      current = next.rows
    }
    try last.encode(current, into: y, from: stream, step: step)
  }

  public func decode(_ y: Rows, into x: Rows) {
    backwards(from: y) { index, coordinates, data in
      maps[index].decode(coordinates, into: index == 0 ? x : data)
    }
    if maps.isEmpty && x.values != y.values { x.copy(y) }
  }

  public func addLogDeterminant(_ y: Rows, to out: UnsafeMutablePointer<Double>) -> Bool {
    var isKnown = true
    backwards(from: y) { index, coordinates, data in
      isKnown = isKnown && maps[index].addLogDeterminant(coordinates, to: out)
      if index > 0 { maps[index].decode(coordinates, into: data) }
    }
    return isKnown
  }

  /// The map of a chain of elementwise maps.
  public var elementwise: (any ElementwiseCoordinates)? {
    let parts = maps.compactMap(\.elementwise)
    return parts.count == maps.count ? ElementwiseChain(parts, self) : nil
  }

  /// What the first map spreads into intervals.
  public var levels: Quantisation? { maps.first?.levels }

  public var fitted: [Double] { maps.flatMap(\.fitted) }

  /// Hands the coordinates of every map to `body`, the last map's first, with memory for what goes into the map.
  private func backwards(from y: Rows, _ body: (_ index: Int, _ coordinates: Rows, _ data: Rows) -> Void) {
    var current = y
    var storages: [RowStorage] = []
    defer { withExtendedLifetime(storages) {} }
    for index in maps.indices.reversed() {
      let storage = RowStorage(y.span.with(dimension: dimensions[index]))
      body(index, current, storage.rows)
      storages.append(storage)
      current = storage.rows
    }
  }
}

/// A chain of elementwise maps: x = ψ_1(… ψ_n(y)) value by value, with e = Π e_i and, from the last map inwards,
/// k = k_i e_outer + k_outer.
struct ElementwiseChain: ElementwiseCoordinates {
  private let maps: [any ElementwiseCoordinates]
  private let chain: Chain

  init(_ maps: [any ElementwiseCoordinates], _ chain: Chain) { (self.maps, self.chain) = (maps, chain) }

  func encode(_ x: Rows, into y: Rows, from stream: NoiseStream?, step: Int) throws {
    try chain.encode(x, into: y, from: stream, step: step)
  }

  func decode(_ y: Rows, into x: Rows) { chain.decode(y, into: x) }

  func addLogDeterminant(_ y: Rows, to out: UnsafeMutablePointer<Double>) -> Bool {
    chain.addLogDeterminant(y, to: out)
  }

  var levels: Quantisation? { chain.levels }
  var fitted: [Double] { chain.fitted }

  func writeDerivatives(_ y: Rows, of x: Rows, slope e: Rows, logSlope k: Rows, curvature: Rows) {
    e.fill(1)
    k.fill(0)
    curvature.fill(0)
    RowStorage.with(y.span, count: 5) { rows in
      let (u, v, e1, k1, c1) = (rows[0], rows[1], rows[2], rows[3], rows[4])
      u.copy(y)
      for map in maps.reversed() {
        map.decode(u, into: v)
        map.writeDerivatives(u, of: v, slope: e1, logSlope: k1, curvature: c1)
        for i in 0..<y.size {
          // ln(e₁(u) e) by y, with du/dy = e and de/dy = e k.
          let (e0, k0) = (e.values[i], k.values[i])
          curvature.values[i] += c1.values[i] * e0 * e0 + k1.values[i] * e0 * k0
          k.values[i] = k1.values[i] * e0 + k0
          e.values[i] = e1.values[i] * e0
        }
        u.copy(v)
      }
    }
  }
}

extension RowSpan {
  func with(dimension: Int) -> RowSpan { RowSpan(first: first, count: count, dimension: dimension) }
}
