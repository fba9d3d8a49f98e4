import CKernels
import Core
import Glibc
// SPDX-License-Identifier: GPL-3.0-or-later
import Networks
import Processes
import Synchronization
import Tensors

/// A network read as a score: its output, label and input scale follow from the process's kernel.
public struct NetworkScore: LearnedScore {
  public let network: any Network
  public let parameters: [Float]
  public let prediction: Prediction
  public let kernel: any PerturbationKernel
  /// T
  public let duration: Double
  /// σ_d, the standard deviation of all data values, by which EDM's conventions scale.
  public let dataDeviation: Double
  /// Where the network is conditioned on classes.
  public let classes: RowClasses
  private let tapes = TapePool()

  public init(
    _ network: any Network, parameters: [Float], prediction: Prediction, kernel: any PerturbationKernel,
    duration: Double, dataDeviation: Double = 1, classes: RowClasses = .inTurn
  ) {
    precondition(parameters.count == network.layout.count, "parameters of another network")
    self.network = network
    self.parameters = parameters
    self.prediction = prediction
    self.kernel = kernel
    self.duration = duration
    self.dataDeviation = dataDeviation
    self.classes = classes
  }

  public var noise: any PerturbationKernel { kernel }
  public var shardRows: Int { network.shardRows.upperBound }

  public func makeEvaluator(for rows: RowSpan) throws -> any ScoreEvaluator {
    guard rows.dimension == network.dimension else {
      throw InputError("points of \(rows.dimension) values for a network of \(network.dimension)")
    }
    return Evaluator(self, rows)
  }

  /// The affine map between network and score where the process has these moments.
  public func coefficients(_ moments: Moments) -> Prediction.Coefficients {
    var coefficients = prediction.coefficients(moments, dataDeviation: dataDeviation)
    if network.takesRawInput { coefficients.input = 1 }
    return coefficients
  }

  /// The same score with other parameters, or other classes.
  public func with(parameters: [Float]? = nil, classes: RowClasses? = nil) -> NetworkScore {
    NetworkScore(
      network, parameters: parameters ?? self.parameters, prediction: prediction, kernel: kernel, duration: duration,
      dataDeviation: dataDeviation, classes: classes ?? self.classes)
  }

  final class Evaluator: ScoreEvaluator {
    private let score: NetworkScore
    private let first: Int
    private let tape: Tape
    /// Runs of rows that share a time, with what the prediction needs there.
    private var runs: [(first: Int, count: Int, coefficients: Prediction.Coefficients)] = []

    init(_ score: NetworkScore, _ rows: RowSpan) {
      self.score = score
      first = rows.first
      tape = score.tapes.take { score.network.makeTape(prepared: score.tapes.prepared) }
    }

    deinit { score.tapes.giveBack(tape) }

    func evaluate(_ x: Rows, at times: Times, into s: Rows) throws {
      forEachPart(of: x, times, recording: false) { x, offset, output, _ in
        write(output, x, into: s.values + offset)
      }
    }

    func pullback(_ v: Rows, _ x: Rows, at times: Times, into out: Rows) throws {
      forEachPart(of: x, times, recording: true) { x, offset, output, input in
        pullBack(v.values + offset, through: output, to: input, into: out.values + offset)
      }
    }

    /// One recorded pass for all of them.
    func evaluate(_ x: Rows, at times: Times, into s: Rows, pullingBack v: [Rows], into out: [Rows]) throws {
      forEachPart(of: x, times, recording: true) { x, offset, output, input in
        write(output, x, into: s.values + offset)
        for index in v.indices {
          pullBack(v[index].values + offset, through: output, to: input, into: out[index].values + offset)
        }
      }
    }

    /// s = skip · x + out · F
    private func write(_ output: Tensor, _ x: Rows, into s: UnsafeMutablePointer<Double>) {
      for run in runs {
        let o = run.first * x.dimension
        ck_combine_float(
          s + o, run.coefficients.skip, x.values + o, run.coefficients.output, output.values + o,
          run.count * x.dimension)
      }
    }

    /// (∂s/∂x)ᵀ v = skip · v + out · in · (∂F/∂(in · x))ᵀ v
    private func pullBack(
      _ v: UnsafePointer<Double>, through output: Tensor, to input: Tensor, into out: UnsafeMutablePointer<Double>
    ) {
      let dimension = input.columns
      let adjoint = tape.constant(rows: input.rows, columns: dimension)
      for run in runs {
        let o = run.first * dimension
        ck_to_float(
          adjoint.values + o, v + o, run.coefficients.output * run.coefficients.input, run.count * dimension)
      }
      tape.backward(from: output, adjoint: adjoint)
      guard let gradient = tape.gradient(of: input) else { preconditionFailure("a network that ignores its input") }
      for run in runs {
        let o = run.first * dimension
        ck_combine_float(out + o, run.coefficients.skip, v + o, 1, gradient.values + o, run.count * dimension)
      }
      // The next product finds this memory again.
      tape.releaseGradient(of: input)
      tape.arena.recycle(adjoint.values, adjoint.count)
    }

    /// Takes the network through rows, as many at a time as it likes.
    private func forEachPart(
      of x: Rows, _ times: Times, recording: Bool,
      _ body: (_ part: Rows, _ offset: Int, _ output: Tensor, _ input: Tensor) -> Void
    ) {
      let size = score.network.shardRows.upperBound
      var start = 0
      while start < x.count {
        let count = min(size, x.count - start)
        let offset = start * x.dimension
        let part = Rows(values: x.values + offset, first: x.first + start, count: count, dimension: x.dimension)
        switch times {
        case .all: forward(part, times, recording) { body(part, offset, $0, $1) }
        case .each(let t): forward(part, .each(t + start), recording) { body(part, offset, $0, $1) }
        }
        start += count
      }
    }

    private func forward(
      _ x: Rows, _ times: Times, _ recording: Bool, _ body: (_ output: Tensor, _ input: Tensor) -> Void
    ) {
      score.parameters.withUnsafeBufferPointer { parameters in
        guard let base = parameters.baseAddress else { return }
        tape.begin(parameters: base, recording: recording, constants: true)
        let noiseLevel: Tensor
        runs.removeAll(keepingCapacity: true)
        switch times {
        case .all(let t):
          noiseLevel = tape.constant(rows: 1, columns: 1)
          append(first: 0, count: x.count, at: t, noiseLevel: noiseLevel)
        case .each(let t):
          noiseLevel = tape.constant(rows: x.count, columns: 1)
          for row in 0..<x.count { append(first: row, count: 1, at: t[row], noiseLevel: noiseLevel) }
        }
        var classes: Tensor?
        if score.network.conditionShape.classCount > 0 {
          let column = tape.constant(rows: x.count, columns: 1)
          for row in 0..<x.count {
            column.values[row] = Float(score.classes[x.first + row, of: score.network.conditionShape.classCount])
          }
          classes = column
        }
        var input = tape.constant(rows: x.count, columns: x.dimension)
        for run in runs {
          let o = run.first * x.dimension
          ck_to_float(input.values + o, x.values + o, run.coefficients.input, run.count * x.dimension)
        }
        if recording { input = tape.variable(input) }
        let output = score.network.forward(
          input, noiseLevel: noiseLevel, second: nil, condition: classes, on: tape)
        body(output, input)
      }
    }

    private func append(first: Int, count: Int, at t: Double, noiseLevel: Tensor) {
      let moments = score.kernel.moments(at: t)
      noiseLevel[first, 0] = Float(score.noiseLevel(moments, at: t))
      runs.append((first, count, score.coefficients(moments)))
    }
  }
}

/// Which class each row is of, for a network that is conditioned on classes.
public enum RowClasses: Sendable, Equatable {
  /// Row i has class i mod the number of classes.
  case inTurn
  /// All rows have one class.
  case all(Int)
  /// A class for each row.
  case each([Int])

  subscript(row: Int, of count: Int) -> Int {
    switch self {
    case .inTurn: row % count
    case .all(let label): label
    case .each(let labels): labels[row]
    }
  }
}

/// Tapes of one set of parameters, lent to one worker at a time, with the weights that kernels prepared from it: an
/// evaluator for a few rows costs no new memory.
final class TapePool: Sendable {
  let prepared = PreparedWeights()
  private let free = Mutex<[LentTape]>([])

  /// A tape stays on the thread that took it until it is given back.
  private struct LentTape: @unchecked Sendable { let tape: Tape }

  func take(_ make: () -> Tape) -> Tape { free.withLock { $0.popLast() }?.tape ?? make() }

  func giveBack(_ tape: Tape) {
    let lent = LentTape(tape: tape)
    free.withLock { $0.append(lent) }
  }
}
