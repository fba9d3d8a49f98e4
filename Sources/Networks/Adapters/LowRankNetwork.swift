// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Synchronization
import Tensors

/// A network whose parameters stay, with trained changes of low rank of some weights (Hu et al. 2022),
///
///     W + (α/r) B A,
///
/// where A is r × inputs and begins as normals of deviation 1/r, and B is outputs × r and begins as zeros: the network
/// begins as it was. Weights of convolutions are matrices, [out, in · taps]. The trained parameters are A and B alone,
/// `MODULE.lora_A.weight` and `MODULE.lora_B.weight` in diffusers' words.
public struct LowRankNetwork: NetworkWrapper {
  /// The network without its parameters.
  public let inner: any Network
  /// A flat buffer of the inner network's layout.
  public let base: [Float]
  /// r
  public let rank: Int
  /// α
  public let alpha: Double
  /// The names of the weights that are changed, in the order of A and B in the layout.
  public let targets: [String]
  private let adapters: [Adapter]
  private let builder: LayerBuilder
  private let sets: Sets
  private let beginning: [Float]?

  private struct Adapter: Sendable {
    /// The weight's place in the inner layout.
    let entry: Int
    let down, up: Int
    let inputs, outputs: Int
    /// Where the entries of the matrix lie in the parameter; nil: in order.
    let places: [Float]?
  }

  /// Parameter sets of the base, each lent to one pass at a time.
  private final class Sets: @unchecked Sendable {
    // Never written to after it was made.
    private let values: UnsafeMutablePointer<Float>
    private let free = Mutex<[Lent]>([])
    private struct Lent: @unchecked Sendable { let set: ParameterSet }

    init(_ base: [Float]) {
      values = .allocate(capacity: max(1, base.count))
      values.initialize(from: base, count: base.count)
    }

    deinit { values.deallocate() }

    func with<Result>(_ layout: ParameterLayout, _ winograd: Bool, _ body: (ParameterSet) -> Result) -> Result {
      let set =
        free.withLock { $0.popLast() }?.set ?? ParameterSet(layout, values: UnsafePointer(values), winograd: winograd)
      let result = body(set)
      let lent = Lent(set: set)
      free.withLock { $0.append(lent) }
      return result
    }
  }

  /// - Parameters:
  ///   - inner: the network.
  ///   - base: its parameters.
  ///   - rank: r, 1 or more.
  ///   - alpha: α, above 0.
  ///   - values: what A and B begin as, in the layout's order; nil: as said above.
  ///   - isTarget: whether a weight of a name is changed; weights of two axes or more alone are asked for.
  /// - Throws: `InputError` where no weight is changed.
  public init(
    _ inner: any Network, base: [Float], rank: Int, alpha: Double, values: [Float]? = nil,
    where isTarget: (String) -> Bool
  ) throws {
    precondition(base.count == inner.layout.count, "parameters of another network")
    precondition(rank > 0 && alpha > 0, "a rank and a scale")
    (self.inner, self.base, self.rank, self.alpha) = (inner, base, rank, alpha)
    var builder = LayerBuilder()
    var (adapters, targets) = ([Adapter](), [String]())
    for (index, entry) in inner.layout.entries.enumerated() {
      for (number, part) in entry.parts.enumerated()
      where part.shape.count > 1 && part.name.hasSuffix(".weight") && isTarget(part.name) {
        let (outputs, inputs) = (part.shape[0], part.count / part.shape[0])
        let module = String(part.name.dropLast(".weight".count))
        let down = builder.parameter(
          "\(module).lora_A.weight", shape: [rank] + part.shape.dropFirst(), .normals(1 / Double(rank)))
        let up = builder.parameter(
          "\(module).lora_B.weight", shape: [outputs, rank] + part.shape.dropFirst(2).map { _ in 1 }, .zeros)
        let isPlain = if case .plain = entry.storage { true } else { false }
        let places = entry.places(ofPart: number)
        precondition(isPlain || entry.count < 1 << 24, "places that floats tell")
        adapters.append(
          Adapter(
            entry: index, down: down, up: up, inputs: inputs, outputs: outputs,
            places: isPlain ? nil : places.map { Float($0) }))
        targets.append(part.name)
      }
    }
    guard !adapters.isEmpty else { throw InputError("no weight is there to be changed by an adapter") }
    precondition(values == nil || values?.count == builder.layout.count, "values of other adapters")
    (self.adapters, self.targets, self.builder) = (adapters, targets, builder)
    (sets, beginning) = (Sets(base), values)
  }

  public var layout: ParameterLayout { builder.layout }

  public func initialParameters(seed: UInt64) -> [Float] { beginning ?? builder.initialParameters(seed: seed) }

  /// Without a text encoder inside nothing is computed, and no adapter is wanted.
  public func encodeCondition(_ told: Tensor, on tape: Tape) -> Tensor {
    inner.textInput == nil ? told : within(tape) { $0.encodeCondition(told, on: tape) }
  }

  public func within(_ tape: Tape, _ body: (any Network) -> Tensor) -> Tensor {
    // The changes are made by the tape's own parameters, the sums read the base's.
    var changes: [Int: Tensor] = [:]
    for adapter in adapters {
      let entry = inner.layout.entries[adapter.entry]
      let product = tape.scale(
        tape.matrixProduct(tape.parameter(adapter.up), tape.parameter(adapter.down)), by: Float(alpha / Double(rank)))
      var change = product
      if let places = adapter.places {
        let indices = tape.constant(rows: places.count, columns: 1)
        places.withUnsafeBufferPointer { indices.values.update(from: $0.baseAddress!, count: $0.count) }
        change = tape.scatterRows(tape.reshape(product, rows: product.count), indices, rows: entry.count)
      }
      change = tape.reshape(change, rows: entry.rows)
      changes[adapter.entry] = changes[adapter.entry].map { tape.sum(1, $0, 1, change) } ?? change
    }
    return sets.with(inner.layout, inner.usesWinograd) { set in
      tape.with(set) {
        for (index, change) in changes { changes[index] = tape.sum(1, tape.parameter(index), 1, change) }
      }
      return tape.with(set, replacing: changes) { body(inner) }
    }
  }

  /// The inner network's parameters with the changes added.
  /// - Parameter parameters: A and B, in the layout's order.
  public func merged(_ parameters: [Float]) -> [Float] {
    precondition(parameters.count == layout.count, "parameters of other adapters")
    var values = base
    for adapter in adapters {
      let entry = inner.layout.entries[adapter.entry]
      let (a, b) = (layout.entries[adapter.down].offset, layout.entries[adapter.up].offset)
      for o in 0..<adapter.outputs {
        for i in 0..<adapter.inputs {
          var sum = 0.0
          for k in 0..<rank {
            sum += Double(parameters[b + o * rank + k]) * Double(parameters[a + k * adapter.inputs + i])
          }
          let place = o * adapter.inputs + i
          values[entry.offset + (adapter.places.map { Int($0[place]) } ?? place)] += Float(alpha / Double(rank) * sum)
        }
      }
    }
    return values
  }
}
