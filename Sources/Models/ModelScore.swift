// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core
import Networks
import Processes
import Scores
import Tensors

/// A model bound to conditions: a score like any other.
public struct ModelScore: Score {
  /// The network with its conventions and parameters.
  public let model: ScoreModel
  /// What is known of each row, by its index.
  public let conditions: Conditions

  init(_ model: ScoreModel, _ conditions: Conditions) {
    self.model = model
    self.conditions = conditions
  }

  public var shardRows: Int { model.network.shardRows.upperBound }
  public var flowMap: (any FlowMap)? { model.map.map { ModelFlowMap(self, $0) } }

  public func makeEvaluator(for rows: RowSpan) throws -> any ScoreEvaluator { try makeMapEvaluator(for: rows) }

  func makeMapEvaluator(for rows: RowSpan) throws -> Evaluator {
    guard rows.dimension == model.network.dimension else {
      throw InputError("states of \(rows.dimension) values for a network of \(model.network.dimension)")
    }
    if let count = conditions.count, count < rows.first + rows.count {
      throw InputError("conditions of \(count) rows; row \(rows.first + rows.count) has none")
    }
    return Evaluator(self, rows)
  }

  final class Evaluator: ScoreEvaluator {
    let score: ModelScore
    let model: ScoreModel
    let tape: Tape
    /// Outputs and tails of a part, for kernels with matrices.
    private let output, tail: RowStorage?
    /// Runs of rows that share a time, with what the prediction needs there.
    private var runs: [(rows: Range<Int>, coefficients: ScoreModel.Coefficients)] = []
    /// What `linearise` left for products: where, and the last pass that the tape recorded.
    private var linearised: Linearisation?
    private var pass: (output: Tensor, input: Tensor)?
    /// What the network made of the text of each of `span`; empty for a network that is told none.
    private let contexts: [[Float]]
    private let span: RowSpan
    /// Evaluators for the same rows, one for each thread beside the first that was lent.
    private var helpers: [Evaluator] = []

    convenience init(_ score: ModelScore, _ rows: RowSpan) {
      let model = score.model
      let contexts =
        model.network.conditionShape == .text
        ? (0..<rows.count).map { model.context(of: score.conditions[rows.first + $0]) } : []
      self.init(score, rows, contexts)
    }

    private init(_ score: ModelScore, _ rows: RowSpan, _ contexts: [[Float]]) {
      self.score = score
      let model = score.model
      self.model = model
      tape = model.tapes.take { model.network.makeTape(prepared: model.tapes.prepared) }
      let part = RowSpan(
        first: 0, count: min(rows.count, score.shardRows), dimension: model.network.outputDimension)
      output = model.kernel.isScalar ? nil : RowStorage(part)
      tail = model.kernel.isScalar ? nil : RowStorage(part)
      (span, self.contexts) = (rows, contexts)
    }

    deinit { model.tapes.giveBack(tape) }

    func evaluate(_ x: Rows, at times: Times, into s: Rows) throws {
      linearised = nil
      let size = model.network.evaluationRows
      let threads = Shards.lent
      guard threads > 1, x.count > size else {
        forEachPart(of: x, times, recording: false, size: size) { part, output, _ in
          write(output, x[part], into: s[part])
        }
        return
      }
      // The same parts, shared between threads.
      let parts = Shards(rows: x.count, size: size)
      while helpers.count + 1 < min(threads, parts.count) { helpers.append(Evaluator(score, span, contexts)) }
      let shared = Shared(evaluators: [self] + helpers, x: x, times: times, s: s)
      try parts.forEach(threads: threads) { _, rows, worker in
        shared.evaluators[worker].evaluate(rows, of: shared)
      }
    }

    /// What threads share while they evaluate parts of the same rows.
    private struct Shared: @unchecked Sendable {
      let evaluators: [Evaluator]
      let x: Rows
      let times: Times
      let s: Rows
    }

    private func evaluate(_ part: Range<Int>, of shared: Shared) {
      forward(shared.x[part], shared.times.from(part.lowerBound), false) { output, _ in
        write(output, shared.x[part], into: shared.s[part])
      }
    }

    /// One recorded pass, of which the tape keeps what all products need, where the rows go through together.
    func linearise(_ x: Rows, at times: Times, into s: Rows) throws {
      linearised = Linearisation(x, times)
      forEachPart(of: x, times, recording: true) { part, output, input in
        write(output, x[part], into: s[part])
        pass = (output, input)
      }
    }

    func pullback(_ v: Rows, into out: Rows) throws {
      guard let linearised, let pass else { preconditionFailure("a product before there is a linearisation") }
      guard linearised.x.count > score.shardRows else {
        // The tape reads the parameters, whose buffer stays as long as the array does.
        return model.parameters.withUnsafeBufferPointer { _ in
          pullBack(v, through: pass.output, to: pass.input, into: out)
        }
      }
      // The tape holds one pass: of more rows than the network takes at a time, each part goes through again.
      forEachPart(of: linearised.x, linearised.times, recording: true) { part, output, input in
        pullBack(v[part], through: output, to: input, into: out[part])
      }
    }

    /// Takes a row through the network once more, and looks at all that is computed on the way.
    func culprit(_ x: Rows, at t: Double) -> String? {
      (linearised, pass) = (nil, nil)
      var found: String?
      forward(x, .all(t), true, constants: false) { _, _ in found = tape.firstNonFinite() }
      return found
    }

    // MARK: From output to score

    /// s_tail = skip · x + output · F, and 0 elsewhere
    private func write(_ output: Tensor, _ x: Rows, into s: Rows) {
      for run in runs {
        let (x, s, first) = (x[run.rows], s[run.rows], run.rows.lowerBound)
        switch run.coefficients {
        case .scalar(let c):
          ck_combine_float(s.values, c.skip, x.values, c.output, output.values + first * x.dimension, x.size)
        case .blocks(let c):
          guard let outputs = self.output?.rows[run.rows], let result = tail?.rows[run.rows] else { continue }
          for i in 0..<outputs.size { outputs.values[i] = Double(output.values[first * outputs.dimension + i]) }
          result.fill(0)
          result.add(c.output, outputs, times: 1)
          if let skip = c.skip { result.add(skip, x, times: 1) }
          s.fill(0)
          s.copy(columns: 0..<result.dimension, of: result, to: s.dimension - result.dimension)
        }
      }
    }

    // MARK: Jacobian products

    /// (∂s/∂x)ᵀ v = skipᵀ v_tail + input (∂F/∂(input x))ᵀ outputᵀ v_tail
    private func pullBack(_ v: Rows, through output: Tensor, to input: Tensor, into out: Rows) {
      let adjoint = tape.constant(rows: input.rows, columns: output.columns)
      for run in runs {
        let (v, start) = (v[run.rows], adjoint.values + run.rows.lowerBound * output.columns)
        switch run.coefficients {
        case .scalar(let c): ck_to_float(start, v.values, c.output * c.input, v.size)
        case .blocks(let c):
          guard let given = self.output?.rows[run.rows], let turned = tail?.rows[run.rows] else { continue }
          given.copy(columns: v.dimension - given.dimension..<v.dimension, of: v)
          turned.fill(0)
          turned.add(c.output.transpose, given, times: 1)
          for i in 0..<turned.size { start[i] = Float(turned.values[i]) }
        }
      }
      tape.backward(from: output, adjoint: adjoint)
      guard let gradient = tape.gradient(of: input) else { preconditionFailure("a network that ignores its input") }
      for run in runs {
        let (v, out, start) = (v[run.rows], out[run.rows], gradient.values + run.rows.lowerBound * v.dimension)
        switch run.coefficients {
        case .scalar(let c): ck_combine_float(out.values, c.skip, v.values, 1, start, v.size)
        case .blocks(let c):
          let width = v.dimension / c.input.count
          for i in 0..<out.size { out.values[i] = c.input[i % v.dimension / width] * Double(start[i]) }
          guard let skip = c.skip, let given = tail?.rows[run.rows] else { continue }
          given.copy(columns: v.dimension - given.dimension..<v.dimension, of: v)
          out.add(skip.transpose, given, times: 1)
        }
      }
      // The next product finds this memory again.
      tape.releaseGradient(of: input)
      tape.arena.recycle(adjoint.values, adjoint.count)
    }

    /// Forgets the last linearisation, whose pass another one will overwrite.
    func forgetLinearisation() { (linearised, pass) = (nil, nil) }

    // MARK: The network

    /// Takes the network through rows, as many at a time as it likes.
    private func forEachPart(
      of x: Rows, _ times: Times, recording: Bool, size: Int? = nil,
      _ body: (_ part: Range<Int>, _ output: Tensor, _ input: Tensor) -> Void
    ) {
      let size = size ?? score.shardRows
      for start in stride(from: 0, to: x.count, by: size) {
        let part = start..<min(start + size, x.count)
        forward(x[part], times.from(start), recording) { body(part, $0, $1) }
      }
    }

    private func forward(
      _ x: Rows, _ times: Times, _ recording: Bool, constants: Bool = true,
      _ body: (_ output: Tensor, _ input: Tensor) -> Void
    ) {
      model.parameters.withUnsafeBufferPointer { parameters in
        // A network whose parameters stay as a file had them has none of its own.
        tape.begin(
          parameters: parameters.baseAddress ?? TapePool.none, recording: recording, constants: constants)
        let noiseLevel = tape.constant(rows: times.distinct(x.count), columns: 1)
        runs.removeAll(keepingCapacity: true)
        times.forEachRun(x.count) { rows, t in
          let moments = model.kernel.moments(at: t)
          noiseLevel[rows.lowerBound, 0] = Float(model.noiseLevel(moments, at: t))
          runs.append((rows, model.coefficients(moments)))
        }
        let condition = condition(of: x)
        var input = tape.constant(rows: x.count, columns: x.dimension)
        for run in runs { write(x[run.rows], run.coefficients, to: input.values + run.rows.lowerBound * x.dimension) }
        if recording { input = tape.variable(input) }
        body(
          model.network.forward(input, noiseLevel: noiseLevel, second: nil, condition: condition, on: tape), input)
      }
    }

    /// What the network is told of rows.
    func condition(of x: Rows) -> Tensor? {
      guard let first = contexts.first else {
        guard let told = ScoreModel.makeConditionTensor(rows: x.count, for: model.network, on: tape) else { return nil }
        for row in 0..<x.count {
          ScoreModel.write(score.conditions[x.first + row], into: told, row: row, for: model.network)
        }
        return model.network.encodeCondition(told, on: tape)
      }
      let condition = tape.constant(rows: x.count, columns: first.count)
      for row in 0..<x.count {
        let place = x.first + row - span.first
        let context =
          contexts.indices.contains(place) ? contexts[place] : model.context(of: score.conditions[x.first + row])
        context.withUnsafeBufferPointer {
          (condition.values + row * first.count).update(from: $0.baseAddress!, count: first.count)
        }
      }
      return condition
    }

    /// input x, in floats
    private func write(_ x: Rows, _ coefficients: ScoreModel.Coefficients, to target: UnsafeMutablePointer<Float>) {
      switch coefficients {
      case .scalar(let c): ck_to_float(target, x.values, c.input, x.size)
      case .blocks(let c):
        let width = x.dimension / c.input.count
        for i in 0..<x.size { target[i] = Float(c.input[i % x.dimension / width] * x.values[i]) }
      }
    }
  }
}
