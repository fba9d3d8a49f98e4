// SPDX-License-Identifier: GPL-3.0-or-later

/// Where channels lie in blocked memory, which holds them in blocks of 16: several runs of channels (as skip
/// connections make them), each beginning a new block; the places between are zeros.
public struct ChannelPlaces: Sendable, Equatable {
  /// What follows from the runs, computed once.
  private final class Facts: Sendable {
    let runs: [Int]
    let count, blocks: Int
    let places: [Int32]

    init(_ runs: [Int]) {
      self.runs = runs
      count = runs.reduce(0, +)
      blocks = runs.reduce(0) { $0 + ($1 + 15) / 16 }
      var places: [Int32] = []
      var start = 0
      for run in runs {
        places += (start..<start + run).map(Int32.init)
        start += (run + 15) / 16 * 16
      }
      self.places = places
    }
  }

  private let facts: Facts

  /// Runs of so many channels, each of which begins a new block.
  /// - Precondition: at least one run, and no empty one.
  public init(_ runs: [Int]) {
    precondition(!runs.isEmpty && runs.allSatisfy { $0 > 0 }, "a run has at least one channel")
    facts = Facts(runs)
  }

  /// One run of channels.
  /// - Precondition: at least one channel.
  public init(_ count: Int) { self.init([count]) }

  public static func == (a: ChannelPlaces, b: ChannelPlaces) -> Bool { a.facts === b.facts || a.runs == b.runs }

  /// The number of channels of each run.
  public var runs: [Int] { facts.runs }
  /// How many channels there are.
  public var count: Int { facts.count }
  /// How many blocks of 16 places there are.
  public var blocks: Int { facts.blocks }
  /// How many numbers they take in memory.
  public var padded: Int { 16 * facts.blocks }

  /// The place of every channel.
  public var places: [Int] { facts.places.map(Int.init) }
  /// The same for kernels, without a new array.
  var kernelPlaces: [Int32] { facts.places }

  /// These channels, then others.
  public func followed(by other: ChannelPlaces) -> ChannelPlaces { ChannelPlaces(runs + other.runs) }
}
