// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core

/// Parameters that stay as a file had them: of 32 bits, or of 16 until a layer reads them. They are never trained. A
/// `ParameterSet` gives them to a tape.
public final class StoredParameters: @unchecked Sendable {
  /// How the numbers of a parameter are kept.
  public enum Kind: Sendable {
    /// 32-bit floats.
    case single
    /// IEEE 754's 16-bit floats.
    case half
    /// The upper 16 bits of 32-bit floats (bfloat16).
    case brainHalf

    var size: Int { self == .single ? 4 : 2 }
  }

  /// Where each parameter lies among the others.
  public let layout: ParameterLayout
  /// How each parameter is kept, in the layout's order.
  public let kinds: [Kind]
  /// Where each begins, in bytes.
  private let offsets: [Int]
  private let byteCount: Int
  // Written while it is made, and read from then on.
  private let memory: UnsafeMutableRawPointer

  /// Memory for parameters, all zeros.
  package init(_ layout: ParameterLayout, kinds: [Kind]) {
    precondition(kinds.count == layout.entries.count, "a kind for every parameter")
    (self.layout, self.kinds) = (layout, kinds)
    var offsets: [Int] = []
    var count = 0
    for (entry, kind) in zip(layout.entries, kinds) {
      offsets.append(count)
      count += (entry.count * kind.size + 63) & ~63
    }
    self.offsets = offsets
    byteCount = max(64, count)
    memory = ck_zeroed_memory(byteCount)
  }

  deinit { ck_free_memory(memory, byteCount) }

  /// The bytes that the parameters take.
  public var bytes: Int { byteCount }

  /// Where a parameter lies.
  package func memory(ofParameter index: Int) -> UnsafeMutableRawPointer { memory + offsets[index] }

  /// The floats of a parameter that is kept in 32 bits.
  func floats(ofParameter index: Int) -> UnsafeMutablePointer<Float> {
    (memory + offsets[index]).assumingMemoryBound(to: Float.self)
  }

  /// Writes a parameter of 16-bit numbers as floats.
  func widen(_ index: Int, into target: UnsafeMutablePointer<Float>) {
    let source = (memory + offsets[index]).assumingMemoryBound(to: UInt16.self)
    ck_widen(target, source, kinds[index] == .brainHalf ? 1 : 0, layout.entries[index].count)
  }

  /// Whether a tensor's memory is that of parameters.
  func contains(_ tensor: Tensor) -> Bool {
    let place = UnsafeRawPointer(tensor.values)
    return UnsafeRawPointer(memory) <= place && place < UnsafeRawPointer(memory) + byteCount
  }

  /// Adds all bits to a checksum.
  package func add(to checksum: inout Checksum) {
    let words = memory.assumingMemoryBound(to: UInt64.self)
    for i in 0..<byteCount / 8 { checksum.add(word: words[i]) }
  }

  /// Whether all numbers are finite.
  package var isFinite: Bool {
    layout.entries.indices.allSatisfy { index in
      let (memory, count) = (memory(ofParameter: index), layout.entries[index].count)
      guard kinds[index] != .single else {
        return ck_all_finite(memory.assumingMemoryBound(to: Float.self), count) != 0
      }
      return ck_all_finite_halves(
        memory.assumingMemoryBound(to: UInt16.self), kinds[index] == .brainHalf ? 1 : 0, count) != 0
    }
  }
}
