// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Yams

extension Options {
  /// Which rows judge: `held_out: {share: 0.2}`, or `held_out: {path: FILE}`, for which a bare file name may stand.
  public func heldOut() throws -> HeldOut {
    let key = "held_out"
    let share = HeldOut.standardShare
    declare(
      key, "section", "{share: \(written(share))}", "{share: above 0 and below 1}, or {path: FILE}",
      "rows to judge by: a share, drawn by a hash of (seed, row) and of every class alike, or a file of their own")
    let found = try child(key, required: false)
    if let text = found?.scalar?.string {
      if Spelling.number(text) != nil {
        throw wrong(key, "is \(text); allowed: {share: a number above 0 and below 1}, or {path: FILE}")
      }
      if text.isEmpty { throw wrong(key, "is empty; allowed: {share: 0.2}, or {path: FILE}") }
    } else if found?.sequence != nil {
      throw wrong(key, "is a list; allowed: {share: 0.2}, or {path: FILE}")
    }
    // A bare name is the path.
    let mapping = found.map { $0.mapping == nil ? Node.mapping(Node.Mapping([(Node("path"), $0)])) : $0 }
    let section = Options(mapping ?? Node.mapping(Node.Mapping([])), path: join(key), source: source)
    resolved.append((key, .section(section)))
    if section.has("path"), section.has("share") {
      throw section.wrong("path", "stands beside share; allowed: one of the two")
    }
    let path = try section.optionalFile("path", "rows to judge by, relative to the config")
    if path != nil { section.declare("share", "", nil, "", "") }
    let drawn = try path == nil ? section.number("share", default: share, in: .between(0, 1), "of the rows") : share
    try section.finish()
    return path.map { .file($0) } ?? .share(drawn)
  }
}

extension Options {
  /// Which images judge, and how many crops of them where they are larger than the rows: `held_out: 500`, a whole
  /// number, says the latter alone, as `held_out_crops: 500` does.
  func heldOutImages() throws -> (heldOut: HeldOut, crops: Int) {
    let (key, about) = ("held_out_crops", "rows of the held-out images, likewise; `held_out: 500` is the same")
    func count(_ key: String) throws -> Int {
      try integer(key, default: 1000, atLeast: 2, atMost: 10_000_000, about)
    }
    if let text = value(of: "held_out")?.scalar?.string, Spelling.number(text) != nil {
      guard !has(key) else { throw wrong(key, "stands beside held_out: \(text); allowed: one of the two") }
      declare(key, "", nil, "", "")
      return (.share(HeldOut.standardShare), try count("held_out"))
    }
    return (try heldOut(), try count(key))
  }
}
