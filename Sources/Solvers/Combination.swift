// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core

/// A sum Σ c_k x_k over rows, gathered term by term and computed in one pass. Made once per solve.
final class Combination {
  private let coefficients: UnsafeMutablePointer<Double>
  private let terms: UnsafeMutablePointer<UnsafePointer<Double>?>
  private let capacity: Int
  private var count = 0

  init(capacity: Int) {
    self.capacity = capacity
    coefficients = .allocate(capacity: capacity)
    terms = .allocate(capacity: capacity)
  }

  deinit {
    coefficients.deallocate()
    terms.deallocate()
  }

  func add(_ coefficient: Double, _ rows: Rows) {
    if coefficient == 0 { return }
    precondition(count < capacity)
    coefficients[count] = coefficient
    terms[count] = UnsafePointer(rows.values)
    count += 1
  }

  /// Writes the sum, which may be one of its terms, and forgets it.
  func write(to out: Rows) {
    if count == 0 {
      out.fill(0)
    } else {
      ck_combine_all(out.values, coefficients, terms, count, out.size)
    }
    count = 0
  }
}
