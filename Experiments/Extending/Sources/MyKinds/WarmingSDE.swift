// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import ScoreSDE

/// dx = −a x dt + κ e^{λt} dw: an Ornstein–Uhlenbeck process whose noise grows. This is all there is to say: its kernel
/// is integrated from the two functions, its prior is N(0, v(1)), and every loss, solver, exact score, likelihood and
/// command works with it.
struct WarmingSDE: AffineSDE {
  let relaxation, noise, growth: Double
  func driftRate(at t: Double) -> Double { -relaxation }
  func diffusion(at t: Double) -> Double { noise * exp(growth * t) }
}

extension Kind<any SDE> {
  static let warming = Kind("warming", "dx = −a x dt + κ e^{λt} dw") { options, _ in
    WarmingSDE(
      relaxation: try options.number("relaxation", default: 3, in: .positive, "a"),
      noise: try options.number("noise", default: 0.3, in: .positive, "κ"),
      growth: try options.number("growth", default: 3, "λ"))
  }
}
