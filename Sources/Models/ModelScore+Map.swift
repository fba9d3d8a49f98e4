// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core
import Networks
import Processes
import Scores
import Tensors

extension ModelScore.Evaluator {
  /// X_{t→s}(x) of every row, where the model is a flow map.
  func map(_ x: Rows, from t: Double, to s: Double, into y: Rows) {
    forEachMapped(x, from: t, to: s, recording: false) { rows, map in
      let (x, y) = (x[rows], y[rows])
      let output = model.network.forward(
        map.input, noiseLevel: map.level, second: map.second, condition: map.condition, on: tape)
      ck_combine_float(y.values, map.factors.skip, x.values, map.factors.output, output.values, x.size)
    }
  }

  /// The same with ln |det ∂X/∂x|.
  func map(
    _ x: Rows, from t: Double, to s: Double, into y: Rows, _ method: LogDeterminant,
    logDeterminants: UnsafeMutablePointer<Double>
  ) throws {
    let dimension = x.dimension
    guard method == .jacobian || model.network.hasDivergence else {
      throw InputError("the network has no divergence; allowed: one with divergence: true, or the map's Jacobian")
    }
    let c = model.determinantCoefficients(from: model.kernel.moments(at: t), to: model.kernel.moments(at: s))
    var jacobians = [Double]()
    forEachMapped(x, from: t, to: s, recording: method == .jacobian) { rows, map in
      let (x, y, out) = (x[rows], y[rows], logDeterminants + rows.lowerBound)
      let (skip, factor) = (map.factors.skip, map.factors.output)
      switch method {
      case .divergence:
        let output = model.network.forwardWithDivergence(
          map.input, noiseLevel: map.level, second: map.second, condition: map.condition, on: tape)
        for i in 0..<x.count {
          for j in 0..<dimension { y[i, j] = skip * x[i, j] + factor * Double(output[i, j]) }
          out[i] = c.rest + c.factor * Double(output[i, dimension])
        }
      case .jacobian:
        let input = tape.variable(map.input)
        let output = model.network.forward(
          input, noiseLevel: map.level, second: map.second, condition: map.condition, on: tape)
        ck_combine_float(y.values, skip, x.values, factor, output.values, x.size)
        let size = dimension * dimension
        jacobians.removeAll(keepingCapacity: true)
        for _ in 0..<x.count * size { jacobians.append(0) }
        let adjoint = tape.constant(rows: x.count, columns: dimension)
        // Row j of ∂X/∂x is skip e_j + factor input e_jᵀ ∂F/∂(input x).
        for j in 0..<dimension {
          adjoint.values.update(repeating: 0, count: adjoint.count)
          for i in 0..<x.count { adjoint[i, j] = 1 }
          tape.backward(from: output, adjoint: adjoint)
          guard let gradient = tape.gradient(of: input) else {
            preconditionFailure("a network that ignores its input")
          }
          for i in 0..<x.count {
            for k in 0..<dimension {
              jacobians[i * size + j * dimension + k] =
                factor * map.factors.input * Double(gradient[i, k]) + (j == k ? skip : 0)
            }
          }
          tape.releaseGradient(of: input)
        }
        jacobians.withUnsafeMutableBufferPointer { values in
          for i in 0..<x.count {
            out[i] = values.baseAddress.map { SquareMatrix.logDeterminant($0 + i * size, dimension) } ?? 0
          }
        }
      }
    }
  }

  /// What a pass of the network for a map is made of.
  private struct MapPass {
    let factors: Prediction.Coefficients
    let input, level: Tensor
    let second, condition: Tensor?
  }

  /// Begins a pass for as many rows at a time as the network likes.
  private func forEachMapped(
    _ x: Rows, from t: Double, to s: Double, recording: Bool, _ body: (_ rows: Range<Int>, _ pass: MapPass) -> Void
  ) {
    forgetLinearisation()
    let (first, second) = (model.kernel.moments(at: t), model.kernel.moments(at: s))
    let c = model.mapCoefficients(from: first, to: second)
    let size = score.shardRows
    for start in stride(from: 0, to: x.count, by: size) {
      let rows = start..<min(start + size, x.count)
      let part = x[rows]
      model.parameters.withUnsafeBufferPointer { parameters in
        tape.begin(parameters: parameters.baseAddress ?? TapePool.none, recording: recording, constants: true)
        func level(_ moments: Moments, _ time: Double) -> Tensor {
          let level = tape.constant(rows: 1, columns: 1)
          level.values[0] = Float(model.noiseLevel(moments, at: time))
          return level
        }
        let (level, other) = (level(first, t), model.network.takesSecond ? level(second, s) : nil)
        let condition = condition(of: part)
        let input = tape.constant(rows: part.count, columns: part.dimension)
        ck_to_float(input.values, part.values, c.input, part.size)
        body(rows, MapPass(factors: c, input: input, level: level, second: other, condition: condition))
      }
    }
  }
}
