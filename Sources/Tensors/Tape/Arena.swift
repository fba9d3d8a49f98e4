// SPDX-License-Identifier: GPL-3.0-or-later

/// Float memory for one pass over a network: taken piece by piece, given back all at once. After the first passes it
/// allocates nothing.
package final class Arena {
  private var chunks: [(memory: UnsafeMutableRawPointer, capacity: Int)] = []
  private var chunk = 0
  private var used = 0
  private var recycled: [(memory: UnsafeMutablePointer<Float>, count: Int)] = []

  /// A multiple of 16 floats, so that every piece is aligned to 64 bytes.
  private static func rounded(_ count: Int) -> Int { (count + 15) & ~15 }

  func take(_ count: Int) -> UnsafeMutablePointer<Float> {
    let wanted = Self.rounded(max(1, count))
    if let index = recycled.lastIndex(where: { $0.count == wanted }) {
      return recycled.remove(at: index).memory
    }
    while chunk < chunks.count && used + wanted > chunks[chunk].capacity {
      chunk += 1
      used = 0
    }
    if chunk == chunks.count {
      let capacity = max(wanted, 1 << 18, 2 * (chunks.last?.capacity ?? 0))
      chunks.append((.allocate(byteCount: 4 * capacity, alignment: 64), capacity))
      used = 0
    }
    defer { used += wanted }
    return chunks[chunk].memory.bindMemory(to: Float.self, capacity: chunks[chunk].capacity) + used
  }

  /// Gives one piece back for the next of equal size.
  package func recycle(_ memory: UnsafeMutablePointer<Float>, _ count: Int) {
    recycled.append((memory, Self.rounded(max(1, count))))
  }

  func reset() {
    chunk = 0
    used = 0
    recycled.removeAll(keepingCapacity: true)
  }

  deinit { for chunk in chunks { chunk.memory.deallocate() } }
}
