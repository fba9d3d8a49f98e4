// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core
import Glibc
import Processes

/// A network read as a score: its output, label and input scale follow from the process's kernel.
public struct NetworkScore: Score {
  public let network: any ScoreNetwork
  public let parameters: [Float]
  public let prediction: Prediction
  public let kernel: any PerturbationKernel
  /// T
  public let duration: Double
  /// σ_d, the standard deviation of all data values, by which EDM's conventions scale.
  public let dataDeviation: Double

  public init(
    _ network: any ScoreNetwork, parameters: [Float], prediction: Prediction, kernel: any PerturbationKernel,
    duration: Double, dataDeviation: Double = 1
  ) {
    precondition(parameters.count == network.layout.count, "parameters of another network")
    self.network = network
    self.parameters = parameters
    self.prediction = prediction
    self.kernel = kernel
    self.duration = duration
    self.dataDeviation = dataDeviation
  }

  public func makeEvaluator(for rows: RowSpan) throws -> any ScoreEvaluator {
    guard rows.dimension == network.dimension else {
      throw InputError("points of \(rows.dimension) values for a network of \(network.dimension)")
    }
    return Evaluator(self)
  }

  /// What the network is told about the noise level at time t.
  public func label(_ moments: Moments, at t: Double) -> Double {
    switch network.label {
    case .time: 1000 * t / duration
    case .logNoise: log(moments.deviation / moments.scale)
    }
  }

  final class Evaluator: ScoreEvaluator {
    private let score: NetworkScore
    private let tape: Tape
    /// Runs of rows that share a time, with what the prediction needs there.
    private var runs: [(first: Int, count: Int, coefficients: Prediction.Coefficients)] = []

    init(_ score: NetworkScore) {
      self.score = score
      tape = Tape(score.network.layout)
    }

    func evaluate(_ x: Rows, at times: Times, into s: Rows) throws {
      forward(x, times, recording: false) { output, _ in
        for run in runs {
          let o = run.first * x.dimension
          ck_combine_float(
            s.values + o, run.coefficients.skip, x.values + o, run.coefficients.output, output.values + o,
            run.count * x.dimension)
        }
      }
    }

    func pullback(_ v: Rows, _ x: Rows, at times: Times, into out: Rows) throws {
      // (∂s/∂x)ᵀ v = skip · v + out · in · (∂F/∂(in · x))ᵀ v
      forward(x, times, recording: true) { output, input in
        let adjoint = tape.constant(rows: x.count, columns: x.dimension)
        for run in runs {
          let o = run.first * x.dimension
          ck_to_float(
            adjoint.values + o, v.values + o, run.coefficients.output * run.coefficients.input,
            run.count * x.dimension)
        }
        tape.backward(from: output, adjoint: adjoint)
        guard let gradient = tape.gradient(of: input) else { preconditionFailure("a network that ignores its input") }
        for run in runs {
          let o = run.first * x.dimension
          ck_combine_float(
            out.values + o, run.coefficients.skip, v.values + o, 1, gradient.values + o, run.count * x.dimension)
        }
      }
    }

    private func forward(
      _ x: Rows, _ times: Times, recording: Bool, _ body: (_ output: Tensor, _ input: Tensor) -> Void
    ) {
      score.parameters.withUnsafeBufferPointer { parameters in
        guard let base = parameters.baseAddress else { return }
        tape.begin(parameters: base, recording: recording)
        let label: Tensor
        runs.removeAll(keepingCapacity: true)
        switch times {
        case .all(let t):
          label = tape.constant(rows: 1, columns: 1)
          append(first: 0, count: x.count, at: t, label: label)
        case .each(let t):
          label = tape.constant(rows: x.count, columns: 1)
          for row in 0..<x.count { append(first: row, count: 1, at: t[row], label: label) }
        }
        var input = tape.constant(rows: x.count, columns: x.dimension)
        for run in runs {
          let o = run.first * x.dimension
          ck_to_float(input.values + o, x.values + o, run.coefficients.input, run.count * x.dimension)
        }
        if recording { input = tape.variable(input) }
        body(score.network.forward(input, label: label, on: tape), input)
      }
    }

    private func append(first: Int, count: Int, at t: Double, label: Tensor) {
      let moments = score.kernel.moments(at: t)
      label[first, 0] = Float(score.label(moments, at: t))
      runs.append((first, count, score.prediction.coefficients(moments, dataDeviation: score.dataDeviation)))
    }
  }
}
