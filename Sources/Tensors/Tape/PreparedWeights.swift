// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels

/// Convolution weights in the forms that the kernels want, made on first use and shared by all workers: of parameters
/// that stay where and what they are.
public final class PreparedWeights: @unchecked Sendable {
  // Guarded by the C side's own locks.
  let handle: OpaquePointer

  /// No weights yet: each is made on first use.
  public init() { handle = ck_prepared_weights_make() }
  deinit { ck_prepared_weights_free(handle) }
}
