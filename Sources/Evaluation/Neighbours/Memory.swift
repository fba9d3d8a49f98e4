// SPDX-License-Identifier: GPL-3.0-or-later

/// Elements at a fixed place, for kernels in C and for workers that each write a part of them.
final class Memory<Element: BitwiseCopyable>: @unchecked Sendable {
  let pointer: UnsafeMutablePointer<Element>
  let count: Int

  init(repeating element: Element, count: Int) {
    self.count = count
    pointer = .allocate(capacity: max(count, 1))
    pointer.initialize(repeating: element, count: max(count, 1))
  }

  convenience init(_ elements: [Element]) where Element: ExpressibleByIntegerLiteral {
    self.init(repeating: 0, count: elements.count)
    for (i, element) in elements.enumerated() { pointer[i] = element }
  }

  deinit { pointer.deallocate() }

  subscript(index: Int) -> Element {
    get { pointer[index] }
    set { pointer[index] = newValue }
  }

  var elements: [Element] { Array(UnsafeBufferPointer(start: pointer, count: count)) }
}
