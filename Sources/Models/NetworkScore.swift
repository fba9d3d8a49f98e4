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
    private var runs: [(rows: Range<Int>, coefficients: Prediction.Coefficients)] = []

    /// What `linearise` left for products: where, and the last pass that the tape recorded.
    private var linearised: Linearisation?
    private var pass: (output: Tensor, input: Tensor)?

    init(_ score: NetworkScore, _ rows: RowSpan) {
      self.score = score
      first = rows.first
      tape = score.tapes.take { score.network.makeTape(prepared: score.tapes.prepared) }
    }

    deinit { score.tapes.giveBack(tape) }

    func evaluate(_ x: Rows, at times: Times, into s: Rows) throws {
      linearised = nil
      forEachPart(of: x, times, recording: false) { range, output, _ in
        write(output, x[range], into: s[range])
      }
    }

    /// One recorded pass, of which the tape keeps what all products need, where the rows go through together.
    func linearise(_ x: Rows, at times: Times, into s: Rows) throws {
      linearised = Linearisation(x, times)
      forEachPart(of: x, times, recording: true) { range, output, input in
        write(output, x[range], into: s[range])
        pass = (output, input)
      }
    }

    func pullback(_ v: Rows, into out: Rows) throws {
      guard let linearised, let pass else { preconditionFailure("a product before there is a linearisation") }
      guard linearised.x.count > score.shardRows else {
        // The tape reads the parameters, whose buffer is the same as long as the array is.
        return score.parameters.withUnsafeBufferPointer { _ in
          pullBack(v, through: pass.output, to: pass.input, into: out)
        }
      }
      // The tape holds one pass: of more rows than the network takes at a time, each part goes through again.
      forEachPart(of: linearised.x, linearised.times, recording: true) { range, output, input in
        pullBack(v[range], through: output, to: input, into: out[range])
      }
    }

    /// s = skip · x + out · F
    private func write(_ output: Tensor, _ x: Rows, into s: Rows) {
      for run in runs {
        let (x, s) = (x[run.rows], s[run.rows])
        ck_combine_float(
          s.values, run.coefficients.skip, x.values, run.coefficients.output,
          output.values + run.rows.lowerBound * x.dimension, x.size)
      }
    }

    /// (∂s/∂x)ᵀ v = skip · v + out · in · (∂F/∂(in · x))ᵀ v
    private func pullBack(_ v: Rows, through output: Tensor, to input: Tensor, into out: Rows) {
      let adjoint = tape.constant(rows: input.rows, columns: v.dimension)
      for run in runs {
        let v = v[run.rows]
        ck_to_float(
          adjoint.values + run.rows.lowerBound * v.dimension, v.values,
          run.coefficients.output * run.coefficients.input, v.size)
      }
      tape.backward(from: output, adjoint: adjoint)
      guard let gradient = tape.gradient(of: input) else { preconditionFailure("a network that ignores its input") }
      for run in runs {
        let (v, out) = (v[run.rows], out[run.rows])
        ck_combine_float(
          out.values, run.coefficients.skip, v.values, 1, gradient.values + run.rows.lowerBound * v.dimension, v.size)
      }
      // The next product finds this memory again.
      tape.releaseGradient(of: input)
      tape.arena.recycle(adjoint.values, adjoint.count)
    }

    /// Takes the network through rows, as many at a time as it likes.
    private func forEachPart(
      of x: Rows, _ times: Times, recording: Bool,
      _ body: (_ range: Range<Int>, _ output: Tensor, _ input: Tensor) -> Void
    ) {
      let size = score.network.shardRows.upperBound
      for start in stride(from: 0, to: x.count, by: size) {
        let range = start..<min(start + size, x.count)
        forward(x[range], times.from(start), recording) { body(range, $0, $1) }
      }
    }

    private func forward(
      _ x: Rows, _ times: Times, _ recording: Bool, _ body: (_ output: Tensor, _ input: Tensor) -> Void
    ) {
      score.parameters.withUnsafeBufferPointer { parameters in
        guard let base = parameters.baseAddress else { return }
        tape.begin(parameters: base, recording: recording, constants: true)
        let noiseLevel = tape.constant(rows: times.distinct(x.count), columns: 1)
        runs.removeAll(keepingCapacity: true)
        times.forEachRun(x.count) { rows, t in
          let moments = score.kernel.moments(at: t)
          noiseLevel[rows.lowerBound, 0] = Float(score.noiseLevel(moments, at: t))
          runs.append((rows, score.coefficients(moments)))
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
          let x = x[run.rows]
          ck_to_float(
            input.values + run.rows.lowerBound * x.dimension, x.values, run.coefficients.input, x.size)
        }
        if recording { input = tape.variable(input) }
        let output = score.network.forward(
          input, noiseLevel: noiseLevel, second: nil, condition: classes, on: tape)
        body(output, input)
      }
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
