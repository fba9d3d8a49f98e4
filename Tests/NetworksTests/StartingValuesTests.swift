// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Networks
import Tensors
import Testing

/// The numbers that networks begin with.
@Suite("Starting values") struct StartingValuesTests {
  /// 10,000^(−k/n), n half the features (Vaswani et al. 2017).
  @Test("sinusoidal features have frequencies from 1 to nearly 1/10,000") func frequencies() {
    let found = TimeFeatures(.sinusoidal, count: 16, scale: 1, seed: 1).frequencies
    #expect(found.count == 8)
    for (k, frequency) in found.enumerated() {
      #expect(abs(frequency / Float(pow(10_000, -Double(k) / 8)) - 1) < 1e-6)
    }
  }

  /// Uniform on ±√(6/(in + out)) (Glorot and Bengio 2010): variance 2/(in + out).
  @Test("weights of a linear layer are uniform with Glorot's bound, and its biases 0") func glorot() throws {
    var builder = LayerBuilder()
    _ = builder.linear("layer", from: 120, to: 80)
    let values = builder.initialParameters(seed: 3)
    var parts: [String: [Float]] = [:]
    builder.layout.forEachTensor(of: values) { parts[$0.name] = $1 }
    let (weights, biases) = (try #require(parts["layer.weight"]), try #require(parts["layer.bias"]))
    let bound = (6.0 / 200).squareRoot()
    let squares = weights.reduce(0.0) { $0 + Double($1) * Double($1) } / Double(weights.count)
    // A square of a uniform has a deviation of √(4/45) bound², here of 9,600 draws: 5 of them.
    #expect(abs(squares - bound * bound / 3) < 5 * (4.0 / 45 / 9600).squareRoot() * bound * bound)
    let largest = weights.reduce(0) { max($0, abs(Double($1))) }
    // All of 9,600 draws are below 99.8 % of the bound with probability 5e-9.
    #expect(largest <= bound * (1 + 1e-7) && largest > 0.998 * bound)
    #expect(biases.allSatisfy { $0 == 0 })
  }
}
