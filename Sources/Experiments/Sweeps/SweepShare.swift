// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Yams

/// A key that a sweep sets in one of its runs, and the value that it takes there.
struct SweepSetting {
  /// The key with dots, as `process.beta_max`.
  let key: String
  let value: Node
  /// Where it stands: `sweep`, `sweep.zip` or `sweep.cases.0`.
  let prefix: String

  var keys: [String] { key.split(separator: ".", omittingEmptySubsequences: false).map(String.init) }
}

/// What a sweep decides of the config of one run: where the complaints about a key point to, and where paths begin.
struct SweepShare {
  /// Of the sweep's config.
  let base: KeyPlaces
  let folder: String
  /// Each with the path of its key, in which elements of lists are numbers.
  let settings: [(keyPath: String, setting: SweepSetting)]
  /// Keys that the sweep's config has in place of the run's own file; nil where there is no such file: all.
  let inherited: Set<String>?

  private func setting(of keyPath: String) -> SweepSetting? {
    settings.first { keyPath == $0.keyPath || keyPath.hasPrefix($0.keyPath + ".") }?.setting
  }

  private func isInherited(_ keyPath: String) -> Bool {
    inherited?.contains(String(keyPath.prefix { $0 != "." })) ?? true || base.override(of: keyPath) != nil
  }

  /// The place of a key that does not stand in the run's own file; nil for others.
  func location(of keyPath: String, _ node: Node?) -> String? {
    if let setting = setting(of: keyPath) {
      return base.location(of: "\(setting.prefix).\(keyPath)", node?.mark == nil ? setting.value : node)
    }
    return isInherited(keyPath) ? base.location(of: keyPath, node) : nil
  }

  /// The folder where a relative path of a key begins, if it is not that of the run's own file.
  func folder(of keyPath: String) -> String? {
    setting(of: keyPath) != nil || isInherited(keyPath) ? folder : nil
  }
}
