// SPDX-License-Identifier: GPL-3.0-or-later
import ScoreSDE

/// A layer composed of the tape's operations: x + (V x + c) ⊙ silu(W x + b), rows × width to rows × width. Its
/// derivatives follow from those of the operations, so that it can be trained, pulled back and differentiated twice.
public struct GatedLayer: Sendable {
  private let value, gate: LinearLayer

  /// - Parameters:
  ///   - name: stands before the names of the parameters in checkpoints.
  ///   - width: of input and output.
  ///   - builder: receives the parameters.
  public init(_ name: String, width: Int, _ builder: inout LayerBuilder) {
    value = builder.linear("\(name).value", from: width, to: width)
    gate = builder.linear("\(name).gate", from: width, to: width)
  }

  public func callAsFunction(_ x: Tensor, on tape: Tape) -> Tensor {
    tape.sum(1, x, 1, tape.product(value(x, on: tape), tape.silu(gate(x, on: tape))))
  }
}
