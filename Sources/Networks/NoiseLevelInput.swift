// SPDX-License-Identifier: GPL-3.0-or-later

/// The number that tells a network how much noise there is.
public enum NoiseLevelInput: Sendable, Equatable {
  /// 1000 t / T
  case time
  /// ln(σ/m), NCSN's convention, for any process.
  case logNoiseToSignal
  /// N t / T − 1: the index of the noise level, from 0, of a network with N of them (DDPM's convention).
  case discrete(Int)
}
