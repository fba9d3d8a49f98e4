// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core
import Models
import Scores
import Tensors

/// The directions v along which a divergence is taken, Σ vᵀ J v over them: all unit vectors in few dimensions, and in
/// more one of ±1 a row, of which the mean is the divergence (Hutchinson 1990).
struct DivergenceProbes {
  /// In so many dimensions there is a direction for each.
  static let largestExactDimension = 8

  let seed: UInt64
  let dimension: Int

  var count: Int { dimension <= Self.largestExactDimension ? dimension : 1 }

  /// Writes a direction for each row.
  func write(_ index: Int, into v: Rows, step: Int) {
    if dimension <= Self.largestExactDimension {
      v.fill(0)
      for i in 0..<v.count { v[i, index] = 1 }
    } else {
      NoiseStream(seed: seed, purpose: .divergenceProbe).uniforms(into: v, step: step)
      for i in 0..<v.size { v.values[i] = v.values[i] < 0.5 ? -1 : 1 }
    }
  }
}

extension TwoTimesBatch {
  /// Writes D of the flow at states, as `denoised` without divergences does, and ∇·D.
  /// - Parameter divergences: a value for each row.
  func denoised(
    _ x: Rows, at nodes: [NoiseNode], _ shard: TrainingShard, _ tape: Tape, into out: Rows,
    divergences: UnsafeMutablePointer<Float>
  ) {
    let probes = DivergenceProbes(seed: batch.seed, dimension: dimension)
    // The numbers of the shard's rows, so that a probe does not depend on how rows are shared out.
    let v = batch.storage(4).view(of: shard.rows)
    divergences.update(repeating: 0, count: x.count)
    if let teacher, case .score = base.teacher {
      let product = batch.rows(5, x.count)
      return teacher.denoised(x, at: nodes, into: out, product: product, count: probes.count) { index in
        probes.write(index, into: v, step: shard.step)
        return v
      } add: { row, value in
        divergences[row] += Float(value)
      }
    }
    let model = if case .network(let taught) = base.teacher { taught } else { self.model }
    func pass() {
      let input = tape.constant(rows: x.count, columns: dimension)
      for i in 0..<x.count {
        let factor = model.scalarCoefficients(nodes[i].moments).input
        ck_to_float(input.values + i * dimension, x.row(i).values, factor, dimension)
      }
      let state = tape.variable(input)
      let output = model.network.forward(
        state, noiseLevel: model.levels(of: nodes, on: tape), second: model.secondLevels(of: nodes, on: tape),
        condition: shard.condition, on: tape)
      for i in 0..<x.count {
        let d = model.prediction.denoiser(nodes[i].moments, dataDeviation: model.dataDeviation)
        ck_combine_float(
          out.row(i).values, d.skip, x.row(i).values, d.output, output.values + i * dimension, dimension)
        divergences[i] = Float(d.skip * Double(dimension))
      }
      let direction = tape.constant(rows: x.count, columns: dimension)
      for index in 0..<probes.count {
        probes.write(index, into: v, step: shard.step)
        for i in 0..<v.size { direction.values[i] = Float(v.values[i]) }
        guard let moved = tape.withoutRecording({ tape.tangent(of: output, along: (state, direction)) }) else {
          continue
        }
        for i in 0..<x.count {
          var dot = 0.0
          for j in 0..<dimension { dot += v[i, j] * Double(moved[i, j]) }
          let (d, c) = (
            model.prediction.denoiser(nodes[i].moments, dataDeviation: model.dataDeviation),
            model.scalarCoefficients(nodes[i].moments)
          )
          divergences[i] += Float(d.output * c.input * dot)
        }
      }
    }
    guard case .network = base.teacher else { return pass() }
    guard let set = shard.frozen[Teacher.name] else { preconditionFailure("a teacher without its parameters") }
    tape.with(set) { pass() }
  }
}

extension TeacherEvaluator {
  /// Writes D of a score that is at hand, and tells Σ vᵀ (∂D/∂x) v of each row.
  func denoised(
    _ x: Rows, at nodes: [NoiseNode], into out: Rows, product: Rows, count: Int, probe: (Int) -> Rows,
    add: (_ row: Int, _ value: Double) -> Void
  ) {
    setTimes(nodes)
    do {
      guard let evaluator else { return out.fill(.nan) }
      try times.withUnsafeBufferPointer { times in
        try evaluator.linearise(x, at: .each(times.baseAddress!), into: out)
        for index in 0..<count {
          let v = probe(index)
          try evaluator.pullback(v, into: product)
          for i in 0..<x.count {
            let m = nodes[i].moments
            var (dot, square) = (0.0, 0.0)
            for j in 0..<x.dimension {
              dot += v[i, j] * product[i, j]
              square += v[i, j] * v[i, j]
            }
            add(i, (square + m.variance * dot) / m.scale)
          }
        }
      }
    } catch {
      return out.fill(.nan)
    }
    for i in 0..<x.count {
      let (m, row) = (nodes[i].moments, out.row(i))
      ck_combine(row.values, 1 / m.scale, x.row(i).values, m.variance / m.scale, row.values, row.size)
    }
  }
}

extension Purpose {
  /// The probes of divergences that networks learn.
  static let divergenceProbe = Purpose(rawValue: 34)
}
