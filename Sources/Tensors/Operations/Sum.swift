// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels

/// a x + b y
struct Sum: TapeOperation {
  let a: Float
  let x: Tensor
  let b: Float
  let y: Tensor

  func backward(_ g: OutputGradient, on tape: Tape) {
    tape.contribute(b, g.tensor, to: y)
    if a == 1 && g.isOwned && !tape.recording {
      tape.pass(g, on: g.adjoint, to: x)
    } else {
      tape.contribute(a, g.tensor, to: x)
    }
  }

  func tangent(_ d: (Tensor) -> Tensor?, _ output: Tensor, on tape: Tape) -> Tensor? {
    tape.add(d(x).map { tape.scale($0, by: a) }, d(y).map { tape.scale($0, by: b) })
  }
}

extension Tape {
  /// a x + b y
  /// - Parameters:
  ///   - a: the factor of x.
  ///   - x: rows × n.
  ///   - b: the factor of y.
  ///   - y: of the same shape.
  ///   - last: nobody else will read y, so that its memory may take the result.
  public func sum(_ a: Float, _ x: Tensor, _ b: Float, _ y: Tensor, last: Bool = false) -> Tensor {
    precondition(x.rows == y.rows && x.columns == y.columns, "tensors of different shapes")
    let out = last && !recording ? y : result(x.rows, x.columns)
    ck_sum(out.values, a, x.values, b, y.values, x.count)
    return record(.sum(Sum(a: a, x: x, b: b, y: y)), out)
  }

  /// a x
  public func scale(_ x: Tensor, by a: Float) -> Tensor { sum(a, x, 0, x) }

  /// x + y where both move, or the one that does.
  func add(_ x: Tensor?, _ y: Tensor?) -> Tensor? {
    switch (x, y) {
    case (let x?, let y?): sum(1, x, 1, y)
    case (let x, nil): x
    case (nil, let y): y
    }
  }
}
