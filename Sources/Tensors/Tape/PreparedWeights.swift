// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels

/// Convolution weights in the forms that the kernels want, made on first use and shared by all workers: of parameters
/// that stay where and what they are.
public final class PreparedWeights: @unchecked Sendable {
  // Guarded by the C side's own locks.
  let handle: OpaquePointer

  /// No weights yet: each is made on first use.
  /// - Parameter limit: how many bytes may be kept; weights beyond are prepared again in each call. nil: any.
  public init(limit: Int? = nil) { handle = ck_prepared_weights_make(limit ?? .max) }

  /// How many bytes may be kept beside so many parameters: what they leave of 2 GiB. Winograd's forms are 4 times as
  /// large as the weights that they are of, so that a network of 100 million parameters keeps all, and one of 537
  /// million none.
  public static func limit(parameters: Int) -> Int { max(0, 1 << 31 - 4 * parameters) }
  deinit { ck_prepared_weights_free(handle) }
}
