// SPDX-License-Identifier: GPL-3.0-or-later

/// A process whose law of x_t given x_0 is known.
public protocol KernelSDE: SDE {
  /// Makes the kernel, which may take an integration: made once by `PreparedProcess`, and handed over.
  func makeKernel() -> any PerturbationKernel

  /// The prior, where it follows from the kernel; default: `makePrior()`.
  func makePrior(under kernel: any PerturbationKernel) -> any Prior
}

extension KernelSDE {
  public func makePrior(under kernel: any PerturbationKernel) -> any Prior { makePrior() }
}
