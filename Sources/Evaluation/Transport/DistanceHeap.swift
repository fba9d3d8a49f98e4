// SPDX-License-Identifier: GPL-3.0-or-later

/// A heap of columns by their distances, smallest first; a column may be in it more than once.
struct DistanceHeap {
  private var entries: [(distance: Double, column: Int32)] = []

  var isEmpty: Bool { entries.isEmpty }
  mutating func removeAll() { entries.removeAll(keepingCapacity: true) }

  mutating func push(_ distance: Double, _ column: Int) {
    entries.append((distance, Int32(truncatingIfNeeded: column)))
    entries.withUnsafeMutableBufferPointer { heap in
      var place = heap.count - 1
      let entry = heap[place]
      while place > 0 {
        let parent = (place - 1) >> 2
        guard entry.distance < heap[parent].distance else { break }
        heap[place] = heap[parent]
        place = parent
      }
      heap[place] = entry
    }
  }

  /// - Precondition: not empty.
  mutating func pop() -> (distance: Double, column: Int) {
    let top = entries[0]
    let entry = entries.removeLast()
    if !entries.isEmpty {
      entries.withUnsafeMutableBufferPointer { heap in
        var place = 0
        while true {
          let first = 4 * place + 1
          guard first < heap.count else { break }
          var child = first
          var other = first + 1
          while other < min(first + 4, heap.count) {
            if heap[other].distance < heap[child].distance { child = other }
            other += 1
          }
          guard heap[child].distance < entry.distance else { break }
          heap[place] = heap[child]
          place = child
        }
        heap[place] = entry
      }
    }
    return (top.distance, Int(top.column))
  }
}
