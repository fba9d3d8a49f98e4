// SPDX-License-Identifier: GPL-3.0-or-later
import ExtendingExample
import ScoreSDE
import Testing

/// A layer from outside, whose derivatives come from the operations that it is composed of.
@Suite("A layer composed of operations") struct GatedLayerTests {
  @Test("its gradient and its tangent equal differences") func derivatives() {
    var builder = LayerBuilder()
    let layer = GatedLayer("gated", width: 5, &builder)
    #expect(builder.layout.entries.map { $0.parts[0].name }.contains("gated.value.weight"))
    let parameters = builder.initialParameters(seed: 3)
    func normals(_ step: Int) -> [Float] {
      NoiseStream(seed: 1, purpose: .data).normals(count: 2, dimension: 5, step: step).values.map { Float($0) }
    }
    let (start, direction, tape) = (normals(0), normals(1), Tape(builder.layout))
    var gradients = [Float](repeating: .nan, count: parameters.count)
    /// Σ y² at parameters and input moved by h, and what `then` reads from the tape.
    func loss(_ h: Float, parameters p: [Float], _ then: (_ loss: Tensor, _ input: Tensor) -> Void = { _, _ in })
      -> Double
    {
      p.withUnsafeBufferPointer { p in
        guard let base = p.baseAddress else { return .nan }
        tape.begin(parameters: base, recording: true)
        let (x, ones) = (tape.constant(rows: 2, columns: 5), tape.constant(rows: 2, columns: 1))
        for i in 0..<10 { x.values[i] = start[i] + h * direction[i] }
        for i in 0..<2 { ones.values[i] = 1 }
        let input = tape.variable(x)
        let loss = tape.weightedSquares(layer(input, on: tape), by: ones)
        then(loss, input)
        return Double(loss.values[0])
      }
    }
    var (slope, tangent) = (0.0, Double.nan)
    _ = loss(0, parameters: parameters) { loss, input in
      let along = tape.constant(rows: 2, columns: 5)
      for i in 0..<10 { along.values[i] = direction[i] }
      tangent = tape.tangent(of: loss, along: [(input, along)]).map { Double($0.values[0]) } ?? .nan
      tape.backward(from: loss, gradients: &gradients)
      guard let gradient = tape.gradient(of: input) else { return }
      for i in 0..<10 { slope += Double(gradient.values[i] * direction[i]) }
    }
    // Truncation h²/6 · f‴ and rounding of floats 6e-8/h · f, with h = 1/64, are below 1e-3 of the loss.
    let h: Float = 1 / 64
    let size = loss(0, parameters: parameters)
    let change = (loss(h, parameters: parameters) - loss(-h, parameters: parameters)) / Double(2 * h)
    #expect(abs(change) > 0.1 && abs(slope - change) < 2e-3 * size && abs(tangent - change) < 2e-3 * size)
    for i in parameters.indices {
      var (up, down) = (parameters, parameters)
      up[i] += h
      down[i] -= h
      let change = (loss(0, parameters: up) - loss(0, parameters: down)) / Double(2 * h)
      #expect(abs(Double(gradients[i]) - change) < 2e-3 * size)
    }
  }
}
