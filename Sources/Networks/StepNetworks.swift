// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Tensors

/// Networks of the same layers for the steps of a map: each maps from where its step begins, and knows no other noise
/// level (experts of noise levels: Balaji et al. 2022, eDiff-I, arXiv 2211.01324).
///
/// The first one's tensors have the names of the network's own; those of the k-th, from 2 on, have `stepk.` before
/// them. All begin with the same values.
public struct StepNetworks: NetworkWrapper {
  /// The network of one step.
  public let inner: any Network
  /// The noise level where each step begins, as networks are told it.
  public let levels: [Double]
  public let layout: ParameterLayout

  /// - Parameters:
  ///   - inner: the network of one step.
  ///   - levels: the noise level where each step begins, as networks are told it: one or more, all different.
  public init(_ inner: any Network, at levels: [Double]) {
    precondition(!levels.isEmpty, "no step")
    (self.inner, self.levels) = (inner, levels)
    var layout = inner.layout
    for step in levels.indices.dropFirst() { layout.add(inner.layout, prefix: Self.prefix(step)) }
    self.layout = layout
  }

  /// What names of tensors of a step, counted from 0, begin with.
  static func prefix(_ step: Int) -> String { step == 0 ? "" : "step\(step + 1)." }

  /// Names of tensors that one of this name may begin as, the nearest first: itself, without its step, and without its
  /// companion's prefix.
  public static func origins(of name: String) -> [String] {
    let length = name.hasPrefix(CompanionNetwork.prefix) ? CompanionNetwork.prefix.count : 0
    let (prefix, rest) = (name.prefix(length), name.dropFirst(length))
    var plain = rest
    if let dot = rest.firstIndex(of: "."), rest.hasPrefix("step"), Int(rest[..<dot].dropFirst(4)) != nil {
      plain = rest[rest.index(after: dot)...]
    }
    var origins = [name]
    for next in [prefix + plain, plain].map(String.init) where next != origins.last { origins.append(next) }
    return origins
  }

  public func initialParameters(seed: UInt64) -> [Float] {
    let values = inner.initialParameters(seed: seed)
    return levels.flatMap { _ in values }
  }

  /// Lets the network of a step, counted from 0, compute: within `body` the parameters of `inner` are its own.
  public func at<Result>(_ step: Int, on tape: Tape, _ body: () throws -> Result) rethrows -> Result {
    try tape.shifted(by: step * inner.layout.entries.count, body)
  }

  /// The step that begins nearest to a noise level.
  func step(at level: Float) -> Int {
    var best = 0
    for step in levels.indices where abs(levels[step] - Double(level)) < abs(levels[best] - Double(level)) {
      best = step
    }
    return best
  }

  /// The output of the network whose step begins at the noise level.
  /// - Precondition: one noise level of all rows.
  public func forward(_ x: Tensor, noiseLevel: Tensor, second: Tensor?, condition: Tensor?, on tape: Tape) -> Tensor {
    at(step(of: noiseLevel), on: tape) {
      inner.forward(x, noiseLevel: noiseLevel, second: second, condition: condition, on: tape)
    }
  }

  public func forwardWithDivergence(
    _ x: Tensor, noiseLevel: Tensor, second: Tensor?, condition: Tensor?, on tape: Tape
  ) -> Tensor {
    at(step(of: noiseLevel), on: tape) {
      inner.forwardWithDivergence(x, noiseLevel: noiseLevel, second: second, condition: condition, on: tape)
    }
  }

  private func step(of level: Tensor) -> Int {
    precondition(level.rows == 1 || level.isUniform, "rows of several steps")
    return step(at: level.values[0])
  }
}

extension Tensor {
  /// Whether all values are the same.
  fileprivate var isUniform: Bool { (0..<count).allSatisfy { values[$0] == values[0] } }
}
