// SPDX-License-Identifier: GPL-3.0-or-later

extension Tape {
  /// Forward-mode differentiation: the tangent of `output` where each variable moves along its direction; nil where the
  /// output does not move. The pass is recorded like any other, so that its result can be differentiated again; within
  /// `withoutRecording` it is not.
  public func tangent(of output: Tensor, along directions: [(variable: Tensor, direction: Tensor)]) -> Tensor? {
    rest(upTo: output)
    for (variable, direction) in directions { move(variable, along: direction) }
    return movement(of: output)
  }

  /// The same along one or two directions, without memory for a list of them.
  /// - Parameters:
  ///   - output: what moves.
  ///   - first: a variable, and its direction of the same shape.
  ///   - second: another; nil: there is none.
  public func tangent(
    of output: Tensor, along first: (variable: Tensor, direction: Tensor),
    _ second: (variable: Tensor, direction: Tensor)? = nil
  ) -> Tensor? {
    rest(upTo: output)
    move(first.variable, along: first.direction)
    if let second { move(second.variable, along: second.direction) }
    return movement(of: output)
  }

  /// Nothing moves. The list is kept from pass to pass, so that a warm one takes no memory.
  private func rest(upTo output: Tensor) {
    precondition(!output.isConstant, "nothing was recorded for this tensor")
    tangents.removeAll(keepingCapacity: true)
    for _ in 0...output.node { tangents.append(nil) }
  }

  private func move(_ variable: Tensor, along direction: Tensor) {
    precondition(!variable.isConstant, "a direction for a constant")
    tangents[variable.node] = direction
  }

  /// The tangent of an output from those that were set.
  private func movement(of output: Tensor) -> Tensor? {
    for index in 0...output.node {
      let node = nodes[index]
      let moved = node.operation.tangent({ $0.isConstant ? nil : tangents[$0.node] }, node.output, on: self)
      if let moved { tangents[index] = moved }
    }
    return tangents[output.node]
  }
}
