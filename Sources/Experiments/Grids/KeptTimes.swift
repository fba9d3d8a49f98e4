// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Solvers

/// The times of an optimised grid, as the store of models keeps them beside the network.
struct KeptTimes: Codable, Equatable {
  /// What the times depend on.
  let identity: String
  /// The times, and how good they are.
  let found: GridSearch.Found

  /// Where a store keeps the times of an identity.
  /// - Parameter network: what the network's own files begin with; nil where the score is no network of the experiment.
  static func path(_ identity: String, network: String?, in store: ModelStore) -> String {
    "\(store.folder)/\(network ?? "times")-\(Checksum.text(of: identity)).times.json"
  }

  /// The times in a file; nil where there are none of this identity, or where the file is no such file.
  static func read(_ path: String, identity: String) -> KeptTimes? {
    guard let data = FileManager.default.contents(atPath: path),
      let kept = try? JSONDecoder().decode(KeptTimes.self, from: data), kept.identity == identity,
      (try? ListedTimes(kept.found.times)) != nil
    else { return nil }
    return kept
  }

  /// - Throws: `WriteError`, and `InputError` where the store's folder cannot be made.
  func write(to path: String, in store: ModelStore) throws {
    try ResultsFolder.make(store.folder, words: "; SCORE_SDE_MODELS=FOLDER names another one", allowsLink: false)
    AtomicFile.removeLeftovers(in: store.folder)
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    try AtomicFile.write(encoder.encode(self), to: path)
  }
}
