// SPDX-License-Identifier: GPL-3.0-or-later

/// Memory of a rank that the ranks of its machine see in place, and theirs.
///
/// All ranks make it at the same point and of the same size. What one rank writes, another may read after a transfer
/// between the two that was posted later. It lasts as long as this object; what others see of it lasts longer.
public final class RankMemory: @unchecked Sendable {
  /// That of this rank.
  public let own: UnsafeMutableRawPointer
  private let views: [UnsafeMutableRawPointer?]
  private let end: () -> Void

  /// - Parameters:
  ///   - views: of each rank, this one included; nil: on another machine.
  ///   - rank: this one.
  ///   - end: gives it back.
  public init(_ views: [UnsafeMutableRawPointer?], rank: Int, end: @escaping () -> Void) {
    own = views[rank]!
    (self.views, self.end) = (views, end)
  }

  /// Memory that no other rank sees.
  public convenience init(alone bytes: Int, rank: Int = 0, count: Int = 1) {
    let memory = UnsafeMutableRawPointer.allocate(byteCount: max(1, bytes), alignment: 64)
    self.init((0..<count).map { $0 == rank ? memory : nil }, rank: rank) { memory.deallocate() }
  }

  deinit { end() }

  /// The memory of another rank; nil where it is on another machine.
  public func seen(of rank: Int) -> UnsafeMutableRawPointer? { views[rank] }
}
