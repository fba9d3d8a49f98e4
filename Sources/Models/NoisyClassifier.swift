// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core
import Glibc
import Networks
import Processes
import Scores
import Tensors

/// A classifier of noised rows, p_t(c | x), as classifier guidance wants it (Dhariwal and Nichol 2021, section 4): a
/// network whose outputs are the logarithms of the odds of the classes, up to a number for each row.
///
/// It sees x/√(m² σ_d² + σ²), of about unit variance at all times, and features of ln(σ/m).
public struct NoisyClassifier: Sendable {
  /// The network, with an output for each class, without its parameters.
  public let network: any Network
  /// How many classes there are.
  public let classes: Int
  /// The flat buffer of the network's layout.
  public let parameters: [Float]
  /// The law of x_t given x_0; its moments are scalars.
  public let kernel: any PerturbationKernel
  /// σ_d, the standard deviation of all data values.
  public let dataDeviation: Double

  /// - Parameters:
  ///   - dimension: how many values a row has.
  ///   - classes: how many classes there are, at least 2.
  ///   - hidden: the widths of the hidden layers.
  ///   - parameters: of a trained one; nil: initial ones.
  ///   - kernel: the process's, with scalar moments.
  ///   - dataDeviation: σ_d, above 0.
  ///   - seed: of initial parameters, and of the features of ln(σ/m).
  public init(
    dimension: Int, classes: Int, hidden: [Int], parameters: [Float]? = nil, kernel: any PerturbationKernel,
    dataDeviation: Double, seed: UInt64
  ) {
    precondition(classes > 1 && kernel.isScalar && dataDeviation > 0, "two classes and scalar moments")
    let network = LabelledNetwork(
      MLP(
        dimension: dimension, output: classes, hidden: hidden,
        features: TimeFeatures(.fourier, count: 32, scale: 0.2, seed: seed)), classes: classes)
    self.network = network
    (self.classes, self.kernel, self.dataDeviation) = (classes, kernel, dataDeviation)
    self.parameters = parameters ?? network.initialParameters(seed: seed)
    precondition(self.parameters.count == network.layout.count, "parameters of another network")
  }

  /// What x is multiplied by before the network sees it.
  public func inputScale(_ moments: Moments) -> Double {
    1 / (moments.scale * moments.scale * dataDeviation * dataDeviation + moments.variance).squareRoot()
  }

  /// ∇ₓ log p_t(c | x) of rows of these classes, written as if it were a score; 0 for rows without a class.
  public func gradient(given conditions: Conditions) -> ClassGradient { ClassGradient(self, conditions) }

  /// A network whose rows have classes that it is to find out: training hands them to the objective, and the network
  /// does not look at them.
  private struct LabelledNetwork: NetworkWrapper {
    let inner: any Network
    let conditionShape: ConditionShape

    init(_ inner: MLP, classes: Int) { (self.inner, conditionShape) = (inner, .classes(classes)) }

    var layout: ParameterLayout { inner.layout }
    var knowsNothing: Bool { true }
    var hasDivergence: Bool { false }

    func initialParameters(seed: UInt64) -> [Float] { inner.initialParameters(seed: seed) }

    func forward(_ x: Tensor, noiseLevel: Tensor, second: Tensor?, condition: Tensor?, on tape: Tape) -> Tensor {
      inner.forward(x, noiseLevel: noiseLevel, second: second, condition: nil, on: tape)
    }
  }
}

/// The gradient of a classifier's log probability of each row's class.
public struct ClassGradient: Score {
  /// The classifier.
  public let classifier: NoisyClassifier
  /// The class of each row; rows without one have gradient 0.
  public let conditions: Conditions

  init(_ classifier: NoisyClassifier, _ conditions: Conditions) {
    (self.classifier, self.conditions) = (classifier, conditions)
  }

  public func makeEvaluator(for rows: RowSpan) throws -> any ScoreEvaluator {
    guard rows.dimension == classifier.network.dimension else {
      throw InputError("states of \(rows.dimension) values for a classifier of \(classifier.network.dimension)")
    }
    if let count = conditions.count, count < rows.first + rows.count {
      throw InputError("conditions of \(count) rows; row \(rows.first + rows.count) has none")
    }
    for row in rows.first..<rows.first + rows.count {
      guard ConditionShape.classes(classifier.classes).contains(conditions[row]) else {
        throw InputError("row \(row + 1) has \(conditions[row]); the classifier knows \(classifier.classes) classes")
      }
    }
    return Evaluator(self)
  }

  final class Evaluator: ScoreEvaluator {
    private let score: ClassGradient
    private let classifier: NoisyClassifier
    private let tape: Tape

    init(_ score: ClassGradient) {
      (self.score, classifier) = (score, score.classifier)
      tape = score.classifier.network.makeTape()
    }

    func evaluate(_ x: Rows, at times: Times, into s: Rows) throws {
      for start in stride(from: 0, to: x.count, by: Shards.rows) {
        let part = start..<min(start + Shards.rows, x.count)
        forward(x[part], times.from(start)) { logits, input in
          write(logits, input, x[part], times.from(start), into: s[part])
        }
      }
    }

    func culprit(_ x: Rows, at t: Double) -> String? {
      var found: String?
      forward(x, .all(t)) { _, _ in found = tape.firstNonFinite() }
      return found
    }

    private func forward(_ x: Rows, _ times: Times, _ body: (_ logits: Tensor, _ input: Tensor) -> Void) {
      classifier.parameters.withUnsafeBufferPointer { parameters in
        guard let base = parameters.baseAddress else { return }
        tape.begin(parameters: base, recording: true, constants: true)
        let noiseLevel = tape.constant(rows: times.distinct(x.count), columns: 1)
        let scaled = tape.constant(rows: x.count, columns: x.dimension)
        times.forEachRun(x.count) { rows, t in
          let moments = classifier.kernel.moments(at: t)
          noiseLevel[rows.lowerBound, 0] = Float(log(moments.noiseToSignal))
          ck_to_float(
            scaled.values + rows.lowerBound * x.dimension, x[rows].values, classifier.inputScale(moments),
            rows.count * x.dimension)
        }
        let input = tape.variable(scaled)
        body(
          classifier.network.forward(input, noiseLevel: noiseLevel, second: nil, condition: nil, on: tape), input)
      }
    }

    /// ∂ log p(c)/∂ logits is [j = c] − p(j).
    private func write(_ logits: Tensor, _ input: Tensor, _ x: Rows, _ times: Times, into s: Rows) {
      let adjoint = tape.constant(rows: logits.rows, columns: logits.columns)
      for row in 0..<logits.rows {
        guard case .label(let label) = score.conditions[x.first + row] else {
          for j in 0..<logits.columns { adjoint[row, j] = 0 }
          continue
        }
        _ = logits.crossEntropy(ofRow: row, label: label, into: adjoint, times: -1)
      }
      tape.backward(from: logits, adjoint: adjoint)
      guard let gradient = tape.gradient(of: input) else { preconditionFailure("a network that ignores its input") }
      times.forEachRun(x.count) { rows, t in
        let scale = classifier.inputScale(classifier.kernel.moments(at: t))
        let target = s[rows]
        for i in 0..<target.size {
          target.values[i] = scale * Double(gradient.values[rows.lowerBound * x.dimension + i])
        }
      }
    }
  }
}

extension Tensor {
  /// −log softmax(row)_label, and its derivative by the row.
  /// - Parameters:
  ///   - row: a row of logits.
  ///   - label: the class.
  ///   - adjoint: of the logits' shape; its row receives the derivative, p − [j = label].
  ///   - factor: what the derivative is multiplied by.
  public func crossEntropy(ofRow row: Int, label: Int, into adjoint: Tensor, times factor: Double) -> Double {
    var largest = -Double.infinity
    for j in 0..<columns { largest = max(largest, Double(self[row, j])) }
    var sum = 0.0
    for j in 0..<columns { sum += exp(Double(self[row, j]) - largest) }
    for j in 0..<columns {
      let share = exp(Double(self[row, j]) - largest) / sum
      adjoint[row, j] = Float(factor * (share - (j == label ? 1 : 0)))
    }
    return log(sum) + largest - Double(self[row, label])
  }
}
