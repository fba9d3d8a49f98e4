import Core
import Glibc
// SPDX-License-Identifier: GPL-3.0-or-later
import Networks
import Processes
import Tensors

/// A network read as the score of a linear process with matrices. It sees the whole state, each block scaled to about unit variance, and
/// predicts the noise z of the blocks that noise acts on:
///
///     x_t = Φ E x_0 + L z,  C = L Lᵀ,   s_tail = −L_tt⁻ᵀ ẑ_tail,   ẑ_tail = F(S x, label),
///
/// with L lower triangular and tt its last blocks. The other components of the score are 0, as nobody asks for them.
/// (For a velocity this is the hybrid score matching of Dockhorn et al. 2022.)
///
/// With `edm` prediction ẑ_tail = K x + R F, where K x is the best guess for data N(0, σ_d² I) and R Rᵀ the covariance of what it
/// misses: K = L_{·t}ᵀ Q⁻¹ with Q = σ_d² Φ E (Φ E)ᵀ + C, R Rᵀ = I − K L_{·t}. The network's target has unit variance at every noise
/// level, as for a scalar process with EDM's preconditioning.
public struct LinearNetworkScore: LearnedScore {
  public let network: any Network
  public let parameters: [Float]
  public let noise: any PerturbationKernel
  public let duration: Double
  public let classes: RowClasses
  public let dataDeviation: Double
  /// `noise` or `edm`.
  public let prediction: Prediction
  /// Of the state; of data; of noise.
  public let blocks, dataBlocks, noiseBlocks: Int
  public let kernel: any LinearKernel
  private let tapes = TapePool()

  /// - Precondition: a network of the state's dimension, with an output for each value that noise acts on.
  public init(
    _ network: any Network, parameters: [Float], prediction: Prediction = .noise, process: any LinearSDE,
    dataDeviation: Double = 1, classes: RowClasses = .inTurn
  ) {
    precondition(prediction == .noise || prediction == .edm, "noise or edm")
    guard let noise = process.makeNoiseKernel() else { preconditionFailure("a linear process knows its noise") }
    self.init(
      network, parameters: parameters, prediction, dataDeviation, kernel: process.makeLinearKernel(),
      noise: noise,
      duration: process.duration, blocks: (process.blocks, process.dataBlocks, process.noiseBlocks), classes: classes)
  }

  private init(
    _ network: any Network, parameters: [Float], _ prediction: Prediction, _ dataDeviation: Double,
    kernel: any LinearKernel, noise: any PerturbationKernel,
    duration: Double, blocks: (state: Int, data: Int, noise: Int), classes: RowClasses
  ) {
    precondition(parameters.count == network.layout.count, "parameters of another network")
    precondition(
      network.dimension % blocks.state == 0
        && network.outputDimension * blocks.state == network.dimension * blocks.noise,
      "a network of other blocks")
    self.network = network
    self.parameters = parameters
    (self.prediction, self.dataDeviation) = (prediction, dataDeviation)
    self.kernel = kernel
    self.noise = noise
    self.duration = duration
    (self.blocks, dataBlocks, noiseBlocks) = blocks
    self.classes = classes
  }

  public func with(parameters: [Float]?, classes: RowClasses?) -> LinearNetworkScore {
    LinearNetworkScore(
      network, parameters: parameters ?? self.parameters, prediction, dataDeviation, kernel: kernel, noise: noise,
      duration: duration,
      blocks: (blocks, dataBlocks, noiseBlocks), classes: classes ?? self.classes)
  }

  public var shardRows: Int { network.shardRows.upperBound }

  /// What a time asks for.
  public struct Coefficients: Sendable {
    /// How noisy the data are, for the network's label.
    public let noise: Moments
    /// S: of each block.
    public let input: [Double]
    /// Φ E and L
    public let map, root: Matrix
    /// K and R, where the prediction has them.
    public let guess: Matrix?
    public let residual: Matrix
    /// s_tail = skip x + output F
    public let skip: Matrix?
    public let output: Matrix
  }

  /// Not finite where there is no noise.
  public func coefficients(at t: Double) -> Coefficients {
    let moments = kernel.moments(at: t)
    let map = moments.propagator.columns(0..<dataBlocks)
    let tail = blocks - noiseBlocks..<blocks
    let root = moments.covariance.lowerCholesky ?? .nan(blocks)
    let total = (dataDeviation * dataDeviation) * (map * map.transpose) + moments.covariance
    let input = (0..<blocks).map { 1 / total[$0, $0].squareRoot() }
    let turn = -1 * root.block(tail).lowerInverse.transpose
    let noise = moments.averaged(overData: dataBlocks)
    guard prediction == .edm else {
      return Coefficients(
        noise: noise, input: input, map: map, root: root, guess: nil, residual: .identity(noiseBlocks), skip: nil,
        output: turn)
    }
    let columns = root.columns(tail)
    let guess = columns.transpose * total.definiteInverse
    // Where hardly any data is left, what is missed is lost in rounding: no less than 1e-6.
    let missed = Matrix.identity(noiseBlocks) - guess * columns + 1e-12 * Matrix.identity(noiseBlocks)
    let residual = missed.lowerCholesky ?? 1e-6 * Matrix.identity(noiseBlocks)
    return Coefficients(
      noise: noise, input: input, map: map, root: root, guess: guess, residual: residual, skip: turn * guess,
      output: turn * residual)
  }

  public func makeEvaluator(for rows: RowSpan) throws -> any ScoreEvaluator {
    guard rows.dimension == network.dimension else {
      throw InputError("states of \(rows.dimension) values for a network of \(network.dimension)")
    }
    return Evaluator(self, rows)
  }

  final class Evaluator: ScoreEvaluator {
    private let score: LinearNetworkScore
    private let tape: Tape
    private let output, tail: RowStorage
    /// What `linearise` left for products: where, and the last pass that the tape recorded.
    private var linearised: Linearisation?
    private var pass: Part?

    init(_ score: LinearNetworkScore, _ rows: RowSpan) {
      self.score = score
      tape = score.tapes.take { score.network.makeTape(prepared: score.tapes.prepared) }
      let part = RowSpan(
        first: 0, count: min(rows.count, score.shardRows), dimension: score.network.outputDimension)
      (output, tail) = (RowStorage(part), RowStorage(part))
    }

    deinit { score.tapes.giveBack(tape) }

    func evaluate(_ x: Rows, at times: Times, into s: Rows) throws {
      linearised = nil
      forEachPart(of: x, times, recording: false) { part in write(part, x[part.rows], into: s[part.rows]) }
    }

    func linearise(_ x: Rows, at times: Times, into s: Rows) throws {
      linearised = Linearisation(x, times)
      forEachPart(of: x, times, recording: true) { part in
        write(part, x[part.rows], into: s[part.rows])
        pass = part
      }
    }

    func pullback(_ v: Rows, into out: Rows) throws {
      guard let linearised, let pass else { preconditionFailure("a product before there is a linearisation") }
      guard linearised.x.count > score.shardRows else {
        // The tape reads the parameters, whose buffer is the same as long as the array is.
        return score.parameters.withUnsafeBufferPointer { _ in pullBack(v, through: pass, into: out) }
      }
      // The tape holds one pass: of more rows than the network takes at a time, each part goes through again.
      forEachPart(of: linearised.x, linearised.times, recording: true) { part in
        pullBack(v[part.rows], through: part, into: out[part.rows])
      }
    }

    /// Rows that went through the network together, and runs of them that share a time.
    private struct Part {
      let rows: Range<Int>
      let output, input: Tensor
      let runs: [(rows: Range<Int>, coefficients: Coefficients)]
    }

    private func write(_ part: Part, _ x: Rows, into s: Rows) {
      let (values, results) = (output.rows, tail.rows)
      for i in 0..<part.rows.count * values.dimension { values.values[i] = Double(part.output.values[i]) }
      s.fill(0)
      for run in part.runs {
        let result = results[run.rows]
        result.fill(0)
        result.add(run.coefficients.output, values[run.rows], times: 1)
        if let skip = run.coefficients.skip { result.add(skip, x[run.rows], times: 1) }
        s[run.rows].copy(columns: 0..<result.dimension, of: result, to: s.dimension - result.dimension)
      }
    }

    /// (∂s/∂x)ᵀ v = skipᵀ v_tail + S (∂F/∂(S x))ᵀ outputᵀ v_tail
    private func pullBack(_ v: Rows, through part: Part, into out: Rows) {
      let (width, blockWidth) = (v.dimension, v.dimension / score.blocks)
      let adjoint = tape.constant(rows: v.count, columns: score.network.outputDimension)
      let given = output.rows[0..<v.count]
      given.copy(columns: width - given.dimension..<width, of: v)
      for run in part.runs {
        let turned = tail.rows[run.rows]
        turned.fill(0)
        turned.add(run.coefficients.output.transpose, given[run.rows], times: 1)
        for i in 0..<turned.size {
          adjoint.values[run.rows.lowerBound * turned.dimension + i] = Float(turned.values[i])
        }
      }
      tape.backward(from: part.output, adjoint: adjoint)
      guard let gradient = tape.gradient(of: part.input) else {
        preconditionFailure("a network that ignores its input")
      }
      for run in part.runs {
        for row in run.rows {
          for j in 0..<width {
            out[row, j] = run.coefficients.input[j / blockWidth] * Double(gradient.values[row * width + j])
          }
        }
        if let back = run.coefficients.skip?.transpose { out[run.rows].add(back, given[run.rows], times: 1) }
      }
      tape.releaseGradient(of: part.input)
      tape.arena.recycle(adjoint.values, adjoint.count)
    }

    private func forEachPart(of x: Rows, _ times: Times, recording: Bool, _ body: (Part) -> Void) {
      for start in stride(from: 0, to: x.count, by: score.shardRows) {
        let range = start..<min(start + score.shardRows, x.count)
        forward(x[range], times.from(start), recording) { body(Part(rows: range, output: $0, input: $1, runs: $2)) }
      }
    }

    private func forward(
      _ x: Rows, _ times: Times, _ recording: Bool,
      _ body: (_ output: Tensor, _ input: Tensor, _ runs: [(rows: Range<Int>, coefficients: Coefficients)]) -> Void
    ) {
      score.parameters.withUnsafeBufferPointer { parameters in
        guard let base = parameters.baseAddress else { return }
        tape.begin(parameters: base, recording: recording, constants: true)
        let noiseLevel = tape.constant(rows: times.distinct(x.count), columns: 1)
        var runs: [(rows: Range<Int>, coefficients: Coefficients)] = []
        times.forEachRun(x.count) { rows, t in
          let coefficients = score.coefficients(at: t)
          noiseLevel[rows.lowerBound, 0] = Float(score.noiseLevel(coefficients.noise, at: t))
          runs.append((rows, coefficients))
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
        let blockWidth = x.dimension / score.blocks
        for run in runs {
          for row in run.rows {
            for j in 0..<x.dimension {
              input.values[row * x.dimension + j] = Float(run.coefficients.input[j / blockWidth] * x[row, j])
            }
          }
        }
        if recording { input = tape.variable(input) }
        let output = score.network.forward(
          input, noiseLevel: noiseLevel, second: nil, condition: classes, on: tape)
        body(output, input, runs)
      }
    }
  }
}
