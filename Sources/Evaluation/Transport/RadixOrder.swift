// SPDX-License-Identifier: GPL-3.0-or-later

/// Sorts numbers and their places by radix, 11 bits a pass: for many sorts of the same length.
final class RadixOrder {
  private let capacity: Int
  private let keys, otherKeys: UnsafeMutablePointer<UInt64>
  private let places, otherPlaces: UnsafeMutablePointer<Int32>
  private let counts: UnsafeMutablePointer<Int>
  private static let bits = 11
  private static let buckets = 1 << bits
  private static let passes = 6

  /// - Parameter capacity: how many numbers there are at most.
  init(capacity: Int) {
    self.capacity = capacity
    (keys, otherKeys) = (.allocate(capacity: max(1, capacity)), .allocate(capacity: max(1, capacity)))
    (places, otherPlaces) = (.allocate(capacity: max(1, capacity)), .allocate(capacity: max(1, capacity)))
    counts = .allocate(capacity: Self.buckets * Self.passes)
  }

  deinit {
    keys.deallocate()
    otherKeys.deallocate()
    places.deallocate()
    otherPlaces.deallocate()
    counts.deallocate()
  }

  /// Writes `count` numbers in rising order, and where each of them stood; equal ones stay in their order.
  /// - Parameter step: how far apart the numbers stand.
  /// - Precondition: finite numbers, no more than the capacity.
  func sort(
    _ values: UnsafePointer<Double>, count: Int, step: Int, into sorted: UnsafeMutablePointer<Double>,
    order: UnsafeMutablePointer<Int32>
  ) {
    precondition(count <= capacity)
    counts.initialize(repeating: 0, count: Self.buckets * Self.passes)
    let mask = UInt64(Self.buckets - 1)
    for i in 0..<count {
      // −0 is 0; the bits of negative numbers fall as the numbers rise.
      let bits = (values[i * step] + 0).bitPattern
      let key = bits ^ (UInt64(bitPattern: Int64(bitPattern: bits) >> 63) | 1 << 63)
      keys[i] = key
      places[i] = Int32(truncatingIfNeeded: i)
      for pass in 0..<Self.passes { counts[pass * Self.buckets + Int(key >> UInt64(pass * Self.bits) & mask)] += 1 }
    }
    var (from, fromPlaces, to, toPlaces) = (keys, places, otherKeys, otherPlaces)
    for pass in 0..<Self.passes {
      let shift = UInt64(pass * Self.bits)
      let counts = counts + pass * Self.buckets
      // A digit that all share moves nothing.
      if count > 0 && counts[Int(from[0] >> shift & mask)] == count { continue }
      var sum = 0
      for bucket in 0..<Self.buckets { (counts[bucket], sum) = (sum, sum + counts[bucket]) }
      for i in 0..<count {
        let bucket = Int(from[i] >> shift & mask)
        let place = counts[bucket]
        counts[bucket] = place + 1
        to[place] = from[i]
        toPlaces[place] = fromPlaces[i]
      }
      swap(&from, &to)
      swap(&fromPlaces, &toPlaces)
    }
    for i in 0..<count {
      let key = from[i]
      sorted[i] = Double(bitPattern: key ^ (key >> 63 == 1 ? 1 << 63 : ~0))
      order[i] = fromPlaces[i]
    }
  }
}
