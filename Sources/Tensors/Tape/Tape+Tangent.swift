// SPDX-License-Identifier: GPL-3.0-or-later

extension Tape {
  /// Forward-mode differentiation: the tangent of `output` where each variable moves along its direction; nil where the
  /// output does not move. The pass is recorded like any other, so that its result can be differentiated again; within
  /// `withoutRecording` it is not.
  public func tangent(of output: Tensor, along directions: [(variable: Tensor, direction: Tensor)]) -> Tensor? {
    precondition(!output.isConstant, "nothing was recorded for this tensor")
    var tangents = [Tensor?](repeating: nil, count: output.node + 1)
    for (variable, direction) in directions {
      precondition(!variable.isConstant, "a direction for a constant")
      tangents[variable.node] = direction
    }
    for index in 0...output.node {
      let node = nodes[index]
      let moved = node.operation.tangent({ $0.isConstant ? nil : tangents[$0.node] }, node.output, on: self)
      if let moved { tangents[index] = moved }
    }
    return tangents[output.node]
  }
}
