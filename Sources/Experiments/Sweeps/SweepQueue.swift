// SPDX-License-Identifier: GPL-3.0-or-later

/// Which run is next. Runs that share a network wait until the first of them has trained it, so that nobody stands and
/// waits for a training that another one does; meanwhile runs with other networks are done.
struct SweepQueue {
  enum Step: Equatable {
    /// The run of this index.
    case run(Int)
    /// Whatever is left depends on runs that others do now.
    case wait
    case end
  }

  /// The network that each run trains, by name; nil where there is nothing to train.
  private let networks: [String?]
  /// Runs that train, in order; the next one is last.
  private var first: [Int] = []
  /// Runs whose network is there; the next one is last.
  private var ready: [Int] = []
  /// Runs that wait for a network; the next one is last.
  private var waiting: [String: [Int]] = [:]
  /// Runs that another program does now.
  private var postponed: [Int] = []

  /// - Parameters:
  ///   - runs: those to do, in order.
  ///   - networks: the network of every run.
  ///   - trained: networks that are there already.
  init(_ runs: [Int], networks: [String?], trained: Set<String>) {
    self.networks = networks
    var known: Set<String> = []
    for run in runs {
      if let network = networks[run], !trained.contains(network) {
        if known.insert(network).inserted { first.append(run) } else { waiting[network, default: []].append(run) }
      } else {
        ready.append(run)
      }
    }
    first.reverse()
    ready.reverse()
    waiting = waiting.mapValues { $0.reversed() }
  }

  mutating func next() -> Step {
    if let run = first.popLast() ?? ready.popLast() ?? postponed.popLast() { return .run(run) }
    return waiting.isEmpty ? .end : .wait
  }

  /// A run that another program does now is asked for again when nothing else is left.
  mutating func postpone(_ run: Int) { postponed.insert(run, at: 0) }

  /// A run has come to its end.
  /// - Parameter hasNetwork: whether its network is there now.
  mutating func finish(_ run: Int, hasNetwork: Bool) {
    guard let network = networks[run], var others = waiting[network] else { return }
    if hasNetwork {
      waiting[network] = nil
      ready = (ready + others.reversed()).sorted(by: >)
    } else if let next = others.popLast() {
      waiting[network] = others.isEmpty ? nil : others
      first.append(next)
    }
  }
}
