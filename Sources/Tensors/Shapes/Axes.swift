// SPDX-License-Identifier: GPL-3.0-or-later

/// A whole number for each of 0 to 3 spatial axes, slowest first: (depth, height, width) of a volume, (height, width)
/// of an image, (length) of a sequence. It lies in place, so that making one allocates nothing.
public struct Axes: Sendable, Equatable, RandomAccessCollection, ExpressibleByArrayLiteral {
  private var first: Int32 = 0
  private var second: Int32 = 0
  private var third: Int32 = 0
  private var axes: Int32 = 0

  /// - Precondition: at most 3 numbers.
  public init(_ values: some Collection<Int>) {
    precondition(values.count <= 3, "at most three spatial axes")
    for value in values {
      axes += 1
      self[count - 1] = value
    }
  }

  public init(arrayLiteral values: Int...) { self.init(values) }

  /// The same number for every axis.
  public init(repeating value: Int, count: Int) {
    precondition((0...3).contains(count), "at most three spatial axes")
    axes = Int32(count)
    for axis in 0..<count { self[axis] = value }
  }

  public var count: Int { Int(axes) }
  public var startIndex: Int { 0 }
  public var endIndex: Int { count }

  public subscript(axis: Int) -> Int {
    get {
      precondition(axis >= 0 && axis < count, "an axis that is not there")
      return Int(axis == 0 ? first : axis == 1 ? second : third)
    }
    set {
      precondition(axis >= 0 && axis < count, "an axis that is not there")
      switch axis {
      case 0: first = Int32(newValue)
      case 1: second = Int32(newValue)
      default: third = Int32(newValue)
      }
    }
  }

  /// The product of all numbers; 1 without axes.
  public var product: Int {
    var product = 1
    for axis in 0..<count { product *= self[axis] }
    return product
  }

  /// The number of every axis changed by `body`, which also gets the axis.
  public func changed(_ body: (_ axis: Int, _ value: Int) -> Int) -> Axes {
    var other = self
    for axis in 0..<count { other[axis] = body(axis, self[axis]) }
    return other
  }

  /// Three numbers for kernels that know no other case: missing axes come first and have `filler`.
  func three(filler: Int) -> (Int32, Int32, Int32) {
    func at(_ place: Int) -> Int32 { place < 3 - count ? Int32(filler) : Int32(self[place - (3 - count)]) }
    return (at(0), at(1), at(2))
  }
}
