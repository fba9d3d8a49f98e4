// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels

/// An elementwise function of x whose derivative was computed with it. It is differentiated once.
struct KnownSlope: TapeOperation {
  let x, slope: Tensor

  func backward(_ g: OutputGradient, on tape: Tape) {
    precondition(!tape.recording, "a pass that began with once: true is differentiated once")
    if x.isConstant { return }
    let out = g.isOwned ? g.tensor : tape.result(x.rows, x.columns)
    ck_product(out.values, g.tensor.values, slope.values, x.count)
    tape.pass(g, on: Tape.Adjoint(tensor: out, owned: true), to: x)
  }

  func tangent(_ d: (Tensor) -> Tensor?, _ output: Tensor, on tape: Tape) -> Tensor? {
    precondition(!tape.recording, "a pass that began with once: true is differentiated once")
    return d(x).map { tape.product($0, slope) }
  }
}
