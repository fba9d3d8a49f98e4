// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Tensors

/// Collects the parameters of a network's layers, and how each begins.
struct LayerBuilder {
  enum Beginning {
    case zeros
    case ones
    /// Uniform with variance 2/(in + out) (Glorot and Bengio 2010), as DDPM's networks begin.
    case glorot(fanIn: Int, fanOut: Int)
    /// Standard normal.
    case normal
  }

  var layout = ParameterLayout()
  var beginnings: [String: Beginning] = [:]

  private mutating func add(
    _ names: [String], shape: [Int], _ storage: ParameterLayout.Storage, _ beginning: Beginning
  ) -> Int {
    for name in names { beginnings[name] = beginning }
    return layout.add(names.map { ParameterLayout.Part(name: $0, shape: shape) }, storage)
  }

  /// A convolution, or several of the same input side by side.
  mutating func convolution(
    _ names: [String], from input: FeatureShape, to channels: ChannelPlaces, kernel: Int, stride: Int = 1,
    padding: (before: Int, after: Int)? = nil, linear: Bool = false, zero: Bool = false
  ) -> ConvolutionLayer {
    let padding = padding ?? (kernel / 2, kernel / 2)
    let places = ChannelPlaces(names.flatMap { _ in channels.runs })
    let (fanIn, fanOut) = (input.channels.count * kernel * kernel, channels.count * kernel * kernel)
    let weight = add(
      names.map { $0 + ".weight" },
      shape: [channels.count, input.channels.count] + (linear ? [] : [kernel, kernel]),
      .convolution(in: input.channels, out: channels, kernel: kernel),
      zero ? .zeros : .glorot(fanIn: fanIn, fanOut: fanOut))
    let bias = add(names.map { $0 + ".bias" }, shape: [channels.count], .vector(channels), .zeros)
    return ConvolutionLayer(
      weight: weight, bias: bias,
      shape: ConvolutionShape(from: input, to: places, kernel: kernel, stride: stride, padding: padding))
  }

  mutating func norm(_ name: String, _ shape: FeatureShape, groups: Int, epsilon: Double) -> NormLayer {
    let count = shape.channels.count
    return NormLayer(
      scale: add([name + ".weight"], shape: [count], .vector(shape.channels), .ones),
      offset: add([name + ".bias"], shape: [count], .vector(shape.channels), .zeros),
      groups: ChannelGroups(shape.channels, groups: groups, epsilon: epsilon), shape: shape)
  }

  mutating func linear(_ name: String, from input: Int, to output: ChannelPlaces?, _ count: Int) -> LinearLayer {
    LinearLayer(
      weight: add(
        [name + ".weight"], shape: [count, input], output.map { .rows($0) } ?? .plain,
        .glorot(fanIn: input, fanOut: count)),
      bias: add([name + ".bias"], shape: [count], output.map { .vector($0) } ?? .plain, .zeros))
  }

  mutating func embedding(_ name: String, count: Int, width: Int) -> Int {
    add([name + ".weight"], shape: [count, width], .plain, .normal)
  }

  /// A row of zeros to be trained.
  mutating func zeros(_ name: String, width: Int) -> Int {
    add([name + ".weight"], shape: [1, width], .plain, .zeros)
  }
}

extension ParameterLayout {
  /// A buffer of initial values.
  /// - Parameters:
  ///   - beginnings: how each tensor begins, by its name; others begin as zeros.
  ///   - stream: the random numbers. A tensor's depend on its place among all tensors, from 1.
  func initialValues(_ beginnings: [String: LayerBuilder.Beginning], from stream: NoiseStream) -> [Float] {
    var step = 0
    return buffer { part in
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
      }
    }
  }
}

struct ConvolutionLayer: Sendable {
  let weight, bias: Int
  let shape: ConvolutionShape

  func callAsFunction(_ x: Tensor, on tape: Tape) -> Tensor {
    tape.convolution(x, tape.parameter(weight), bias: tape.parameter(bias), shape)
  }
}

struct NormLayer: Sendable {
  let scale, offset: Int
  let groups: ChannelGroups
  let shape: FeatureShape

  func callAsFunction(_ x: Tensor, silu: Bool, shift: Tensor? = nil, last: Bool = false, on tape: Tape) -> Tensor {
    tape.groupNorm(
      x, shape, groups, shift: shift, scale: tape.parameter(scale), offset: tape.parameter(offset), silu: silu,
      last: last)
  }

  /// (1 + s) ⊙ norm(x) + t, then SiLU, for rows s and t of places.
  func modulated(_ x: Tensor, by s: Tensor, _ t: Tensor, last: Bool, on tape: Tape) -> Tensor {
    let ones = tape.constant(rows: 1, columns: s.columns)
    ones.values.update(repeating: 1, count: ones.count)
    let factor = tape.addBias(s, ones)
    func row(_ index: Int) -> Tensor { tape.repeatRow(tape.parameter(index), rows: s.rows) }
    return tape.groupNorm(
      x, shape, groups, scale: tape.product(factor, row(scale)),
      offset: tape.sum(1, tape.product(factor, row(offset)), 1, t), silu: true, last: last)
  }
}

struct LinearLayer: Sendable {
  let weight, bias: Int

  func callAsFunction(_ x: Tensor, on tape: Tape) -> Tensor {
    tape.addBias(tape.matrixProduct(x, tape.parameter(weight), transposeB: true), tape.parameter(bias))
  }
}
