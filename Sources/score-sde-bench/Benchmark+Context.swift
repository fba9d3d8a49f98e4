// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Models
import Networks
import Processes
import Scores
import Tensors

extension Benchmark {
  /// A U-Net of Stable Diffusion 1's form at a quarter of its widths: 32 × 32 latents that ask 77 tokens of 768
  /// numbers.
  static var quarter: UNetArchitecture {
    var a = UNetArchitecture(
      height: 32, width: 32, channels: 4, widths: [80, 160, 320, 320], blocks: 2, attention: [],
      resampling: .convolution)
    a.time = .positional(flipped: true, shift: 0)
    a.groups = 16
    a.context = .init(tokens: 77, width: 768)
    for level in 0..<3 {
      a.down[level].transformer = .init(layers: 1, heads: 8)
      a.up[3 - level].transformer = .init(layers: 1, heads: 8)
    }
    a.middleTransformer = .init(layers: 1, heads: 8)
    (a.middleAttention, a.middleAttentionGroups) = (false, nil)
    return a
  }

  /// A network that is told the same context for every row: in place of a text's encoder.
  private struct FixedContext: NetworkWrapper {
    let inner: any Network
    let context: [Float]

    var layout: ParameterLayout { inner.layout }
    var conditionShape: ConditionShape { .nothing }
    var knowsNothing: Bool { false }
    var hasDivergence: Bool { false }
    func initialParameters(seed: UInt64) -> [Float] { inner.initialParameters(seed: seed) }
    func forward(_ x: Tensor, noiseLevel: Tensor, second: Tensor?, condition: Tensor?, on tape: Tape) -> Tensor {
      let told = tape.constant(rows: x.rows, columns: context.count)
      for row in 0..<x.rows {
        context.withUnsafeBufferPointer {
          (told.values + row * context.count).update(from: $0.baseAddress!, count: context.count)
        }
      }
      return inner.forward(x, noiseLevel: noiseLevel, second: second, condition: told, on: tape)
    }
  }

  /// Steps of guidance: two rows at one time, whose threads are those that one shard leaves over.
  static func contextForward(threads: Int) throws -> Benchmark {
    let context = NoiseStream(seed: 2, purpose: .data).normals(count: 77, dimension: 768).values.map { Float($0) }
    let network = FixedContext(inner: try UNet(quarter), context: context)
    let model = ScoreModel(
      network, parameters: network.initialParameters(seed: 1), prediction: .noise, kernel: VPSDE().makeKernel(),
      duration: 1)
    let images = NoiseStream(seed: 1, purpose: .data).normals(count: 2, dimension: network.dimension)
    let score = model.score()
    return Benchmark(units: 5) {
      var x = images
      try x.forEachShard(of: 2, threads: threads) { x in
        try RowStorage.with(x.span, count: 1) { s in
          let evaluator = try score.makeEvaluator(for: x.span)
          for step in 1...5 { try evaluator.evaluate(x, at: .all(0.15 * Double(step)), into: s[0]) }
        }
      }
    }
  }
}
