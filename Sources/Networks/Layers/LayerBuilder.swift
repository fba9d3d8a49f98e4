// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Tensors

/// Collects the parameters of a network's layers, and how each begins. A layer keeps the places that the builder
/// returns, and reads its parameters from the tape: `tape.parameter(weight)`.
///
///     var builder = LayerBuilder()
///     let (first, second) = (builder.linear("first", from: 2, to: 64), builder.linear("second", from: 64, to: 2))
///     let layout = builder.layout
///     // … on a tape of this layout:
///     let y = second(tape.silu(first(x, on: tape)), on: tape)
public struct LayerBuilder: Sendable {
  /// How a parameter begins.
  public enum Beginning: Sendable {
    /// All zeros, as biases begin.
    case zeros
    /// All ones, as the scales of normalisations begin.
    case ones
    /// Uniform with variance 2/(in + out) (Glorot and Bengio 2010), as DDPM's networks begin.
    case glorot(fanIn: Int, fanOut: Int)
    /// Standard normal.
    case normal
    /// Normal with mean 0 and this standard deviation.
    case normals(Double)
  }

  /// The layout of the parameters added so far.
  public private(set) var layout = ParameterLayout()
  private var beginnings: [String: Beginning] = [:]

  /// A builder without parameters.
  public init() {}

  /// Adds a parameter of any kind and returns its place in the layout.
  /// - Parameters:
  ///   - name: of the tensor in checkpoints.
  ///   - shape: [n] for a row, or [rows, columns].
  ///   - beginning: how its values begin.
  public mutating func parameter(_ name: String, shape: [Int], _ beginning: Beginning) -> Int {
    add([name], shape: shape, .plain, beginning)
  }

  mutating func add(
    _ names: [String], shape: [Int], _ storage: ParameterLayout.Storage, _ beginning: Beginning
  ) -> Int {
    for name in names { beginnings[name] = beginning }
    return layout.add(names.map { ParameterLayout.Part(name: $0, shape: shape) }, storage)
  }

  /// An embedding: a table of `count` × `width` normals under `name`.weight, for `tape.gatherRows`.
  public mutating func embedding(_ name: String, count: Int, width: Int) -> Int {
    parameter(name + ".weight", shape: [count, width], .normal)
  }

  /// Initial values of all parameters in the layout's order. A tensor's depend on the seed and its place among all
  /// tensors.
  public func initialParameters(seed: UInt64) -> [Float] {
    let stream = NoiseStream(seed: seed, purpose: .weights)
    var step = 0
    return layout.buffer { part in
      step += 1
      switch beginnings[part.name] ?? .zeros {
      case .zeros: return [Float](repeating: 0, count: part.count)
      case .ones: return [Float](repeating: 1, count: part.count)
      case .glorot(let fanIn, let fanOut):
        let bound = (6 / Double(fanIn + fanOut)).squareRoot()
        return stream.uniforms(count: part.shape[0], dimension: part.count / part.shape[0], step: step).values.map {
          Float(bound * (2 * $0 - 1))
        }
      case .normal:
        return stream.normals(count: part.shape[0], dimension: part.count / part.shape[0], step: step).values.map {
          Float($0)
        }
      case .normals(let deviation):
        return stream.normals(count: part.shape[0], dimension: part.count / part.shape[0], step: step).values.map {
          Float(deviation * $0)
        }
      }
    }
  }
}
