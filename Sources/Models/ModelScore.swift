// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core
import Networks
import Processes
import Scores
import Tensors

/// A model bound to conditions: a score like any other.
public struct ModelScore: Score {
  public let model: ScoreModel
  public let conditions: Conditions

  init(_ model: ScoreModel, _ conditions: Conditions) {
    self.model = model
    self.conditions = conditions
  }

  public var shardRows: Int { model.network.shardRows.upperBound }

  public func makeEvaluator(for rows: RowSpan) throws -> any ScoreEvaluator {
    guard rows.dimension == model.network.dimension else {
      throw InputError("states of \(rows.dimension) values for a network of \(model.network.dimension)")
    }
    if let count = conditions.count, count < rows.first + rows.count {
      throw InputError("conditions of \(count) rows; row \(rows.first + rows.count) has none")
    }
    return Evaluator(self, rows)
  }

  final class Evaluator: ScoreEvaluator {
    private let score: ModelScore
    private let model: ScoreModel
    private let tape: Tape
    /// Outputs and tails of a part, for kernels with matrices.
    private let output, tail: RowStorage?
    /// Runs of rows that share a time, with what the prediction needs there.
    private var runs: [(first: Int, count: Int, coefficients: ScoreModel.Coefficients)] = []

    init(_ score: ModelScore, _ rows: RowSpan) {
      self.score = score
      let model = score.model
      self.model = model
      tape = model.tapes.take { model.network.makeTape(prepared: model.tapes.prepared) }
      let part = RowSpan(
        first: 0, count: min(rows.count, score.shardRows), dimension: model.network.outputDimension)
      output = model.kernel.isScalar ? nil : RowStorage(part)
      tail = model.kernel.isScalar ? nil : RowStorage(part)
    }

    deinit { model.tapes.giveBack(tape) }

    func evaluate(_ x: Rows, at times: Times, into s: Rows) throws {
      forEachPart(of: x, times, recording: false) { part, start, output, _ in
        write(output, part, into: s.rows(start, part.count))
      }
    }

    func pullback(_ v: Rows, _ x: Rows, at times: Times, into out: Rows) throws {
      forEachPart(of: x, times, recording: true) { part, start, output, input in
        pullBack(v.rows(start, part.count), through: output, to: input, into: out.rows(start, part.count))
      }
    }

    /// One recorded pass for all of them.
    func evaluate(_ x: Rows, at times: Times, into s: Rows, pullingBack v: [Rows], into out: [Rows]) throws {
      forEachPart(of: x, times, recording: true) { part, start, output, input in
        write(output, part, into: s.rows(start, part.count))
        for index in v.indices {
          pullBack(
            v[index].rows(start, part.count), through: output, to: input, into: out[index].rows(start, part.count))
        }
      }
    }

    // MARK: From output to score

    /// s_tail = skip · x + output · F, and 0 elsewhere
    private func write(_ output: Tensor, _ x: Rows, into s: Rows) {
      for run in runs {
        let o = run.first * x.dimension
        switch run.coefficients {
        case .scalar(let c):
          ck_combine_float(s.values + o, c.skip, x.values + o, c.output, output.values + o, run.count * x.dimension)
        case .blocks(let c):
          writeBlocks(output, c, x.rows(run.first, run.count), first: run.first, into: s.rows(run.first, run.count))
        }
      }
    }

    private func writeBlocks(_ output: Tensor, _ c: BlockCoefficients, _ x: Rows, first: Int, into s: Rows) {
      guard let storage = self.output, let tail else { return }
      let (values, result) = (storage.rows.rows(first, x.count), tail.rows.rows(first, x.count))
      let start = output.values + first * values.dimension
      for i in 0..<values.size { values.values[i] = Double(start[i]) }
      result.values.update(repeating: 0, count: result.size)
      result.add(c.output, values, times: 1)
      if let skip = c.skip { result.add(skip, x, times: 1) }
      let head = s.dimension - result.dimension
      for row in 0..<x.count {
        let target = s.values + row * s.dimension
        target.update(repeating: 0, count: head)
        (target + head).update(from: result.values + row * result.dimension, count: result.dimension)
      }
    }

    // MARK: Jacobian products

    /// (∂s/∂x)ᵀ v = skipᵀ v_tail + input (∂F/∂(input x))ᵀ outputᵀ v_tail
    private func pullBack(_ v: Rows, through output: Tensor, to input: Tensor, into out: Rows) {
      let adjoint = tape.constant(rows: input.rows, columns: output.columns)
      for run in runs {
        let o = run.first * v.dimension
        switch run.coefficients {
        case .scalar(let c):
          ck_to_float(adjoint.values + o, v.values + o, c.output * c.input, run.count * v.dimension)
        case .blocks(let c):
          guard let storage = self.output, let tail else { continue }
          let given = storage.rows.rows(run.first, run.count)
          copyTail(of: v.rows(run.first, run.count), into: given)
          let turned = tail.rows.rows(run.first, run.count)
          turned.values.update(repeating: 0, count: turned.size)
          turned.add(c.output.transpose, given, times: 1)
          ck_to_float(adjoint.values + run.first * turned.dimension, turned.values, 1, turned.size)
        }
      }
      tape.backward(from: output, adjoint: adjoint)
      guard let gradient = tape.gradient(of: input) else { preconditionFailure("a network that ignores its input") }
      for run in runs {
        let o = run.first * v.dimension
        switch run.coefficients {
        case .scalar(let c):
          ck_combine_float(out.values + o, c.skip, v.values + o, 1, gradient.values + o, run.count * v.dimension)
        case .blocks(let c):
          let target = out.rows(run.first, run.count)
          let width = v.dimension / c.input.count
          for i in 0..<target.size {
            target.values[i] = c.input[i % v.dimension / width] * Double(gradient.values[o + i])
          }
          guard let skip = c.skip, let tail else { continue }
          let given = tail.rows.rows(run.first, run.count)
          copyTail(of: v.rows(run.first, run.count), into: given)
          target.add(skip.transpose, given, times: 1)
        }
      }
      // The next product finds this memory again.
      tape.releaseGradient(of: input)
      tape.arena.recycle(adjoint.values, adjoint.count)
    }

    /// The last values of each row.
    private func copyTail(of v: Rows, into tail: Rows) {
      let head = v.dimension - tail.dimension
      for row in 0..<v.count {
        (tail.values + row * tail.dimension).update(from: v.values + row * v.dimension + head, count: tail.dimension)
      }
    }

    // MARK: The network

    /// Takes the network through rows, as many at a time as it likes.
    private func forEachPart(
      of x: Rows, _ times: Times, recording: Bool, 
      _ body: (_ part: Rows, _ start: Int, _ output: Tensor, _ input: Tensor) -> Void
    ) {
      for start in stride(from: 0, to: x.count, by: score.shardRows) {
        let part = x.rows(start, min(score.shardRows, x.count - start))
        forward(part, times.dropping(start), recording) { body(part, start, $0, $1) }
      }
    }

    private func forward(
      _ x: Rows, _ times: Times, _ recording: Bool, _ body: (_ output: Tensor, _ input: Tensor) -> Void
    ) {
      model.parameters.withUnsafeBufferPointer { parameters in
        guard let base = parameters.baseAddress else { return }
        tape.begin(parameters: base, recording: recording, constants: true)
        runs.removeAll(keepingCapacity: true)
        let noiseLevel: Tensor
        switch times {
        case .all(let t):
          noiseLevel = tape.constant(rows: 1, columns: 1)
          append(first: 0, count: x.count, at: t, noiseLevel)
        case .each(let t):
          noiseLevel = tape.constant(rows: x.count, columns: 1)
          for row in 0..<x.count { append(first: row, count: 1, at: t[row], noiseLevel) }
        }
        let shape = model.network.conditionShape
        let condition = ScoreModel.makeConditionTensor(rows: x.count, shape: shape, on: tape)
        if let condition {
          for row in 0..<x.count {
            ScoreModel.write(score.conditions[x.first + row], into: condition, row: row, shape: shape)
          }
        }
        var input = tape.constant(rows: x.count, columns: x.dimension)
        for run in runs { write(x.rows(run.first, run.count), run.coefficients, to: input, first: run.first) }
        if recording { input = tape.variable(input) }
        body(
          model.network.forward(input, noiseLevel: noiseLevel, second: nil, condition: condition, on: tape), input)
      }
    }

    private func append(first: Int, count: Int, at t: Double, _ noiseLevel: Tensor) {
      let moments = model.kernel.moments(at: t)
      noiseLevel[first, 0] = Float(model.noiseLevel(moments, at: t))
      runs.append((first, count, model.coefficients(moments)))
    }

    /// input x, in floats
    private func write(_ x: Rows, _ coefficients: ScoreModel.Coefficients, to input: Tensor, first: Int) {
      let target = input.values + first * x.dimension
      switch coefficients {
      case .scalar(let c): ck_to_float(target, x.values, c.input, x.size)
      case .blocks(let c):
        let width = x.dimension / c.input.count
        for i in 0..<x.size { target[i] = Float(c.input[i % x.dimension / width] * x.values[i]) }
      }
    }
  }
}

extension Rows {
  fileprivate func rows(_ first: Int, _ count: Int) -> Rows {
    Rows(values: values + first * dimension, first: self.first + first, count: count, dimension: dimension)
  }
}

extension Times {
  /// The times of the rows from one on.
  fileprivate func dropping(_ rows: Int) -> Times {
    switch self {
    case .all: self
    case .each(let t): .each(t + rows)
    }
  }
}
