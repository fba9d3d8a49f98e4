// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// What the tasks of an array job are given by Slurm.
public struct SlurmOptions: Sendable, Equatable {
  /// Cores of each task; nil: one, or what `others` say.
  public let threads: Int?
  /// How many tasks may run at a time; nil: as many as Slurm has room for.
  public let limit: Int?
  /// Whether tasks get a signal a minute before their limit. Slurm sends it up to a minute too early, so that within a
  /// short limit tasks have that alone which Slurm sends at the limit.
  private let warns: Bool
  /// Each as `--NAME` or `--NAME=VALUE`, in the order in which they were given.
  private let given: [(name: String, text: String)]

  /// What the sweep itself decides.
  private static let own = [
    "array", "chdir", "error", "input", "output", "parsable", "quiet", "test-only", "wait", "wrap",
  ]

  /// - Parameters:
  ///   - partition: where the tasks run; nil: Slurm's default.
  ///   - time: the limit of each task, as Slurm writes it (`90`, `2:00:00`, `1-12`); nil: that of the partition.
  ///   - threads: cores of each task; nil: one, or what `others` say.
  ///   - limit: how many tasks may run at a time; nil: as many as there is room for.
  ///   - others: further options of sbatch, as `--mem=4G`.
  /// - Throws: `InputError` for what is no option, and for one that the sweep decides itself.
  public init(
    partition: String? = nil, time: String? = nil, threads: Int? = nil, limit: Int? = nil, others: [String] = []
  ) throws {
    (self.threads, self.limit) = (threads, limit)
    var given: [(name: String, text: String)] = []
    for (name, value) in [("partition", partition), ("time", time)] {
      guard let value else { continue }
      guard Self.isPrintable(value), !value.isEmpty else {
        throw InputError("is '\(value)'; allowed: what sbatch takes there", at: "--\(name)")
      }
      given.append((name, "--\(name)=\(Self.quoted(value))"))
    }
    let decided = Set(given.map(\.name) + (threads == nil ? [] : ["cpus-per-task"]))
    for option in others {
      let (name, text) = try Self.read(option)
      guard !decided.contains(name) else {
        let other = name == "cpus-per-task" ? "threads" : name
        throw InputError("stands beside --\(other); allowed: one of them", at: "--sbatch \(option)")
      }
      given.append((name, text))
    }
    self.given = given
    let limit = time ?? others.last { $0.hasPrefix("--time=") }.map { String($0.dropFirst(7)) }
    warns = limit.flatMap(Self.minutes).map { $0 >= 5 } ?? true
  }

  /// The minutes of `M`, `M:S`, `H:M:S`, `D-H`, `D-H:M` or `D-H:M:S`; nil of other texts, as `infinite`.
  private static func minutes(of time: String) -> Double? {
    let halves = time.split(separator: "-", omittingEmptySubsequences: false)
    let parts = (halves.last ?? "").split(separator: ":", omittingEmptySubsequences: false).map { Double($0) }
    guard halves.count <= 2, parts.count <= 3, !parts.contains(nil) else { return nil }
    let numbers = parts.compactMap { $0 }
    if halves.count == 2 {
      guard let days = Double(halves[0]) else { return nil }
      return zip(numbers, [60, 1, 1 / 60.0]).reduce(days * 1440) { $0 + $1.0 * $1.1 }
    }
    return zip(numbers, numbers.count == 3 ? [60, 1, 1 / 60.0] : [1, 1 / 60.0]).reduce(0) { $0 + $1.0 * $1.1 }
  }

  private static func read(_ option: String) throws -> (name: String, text: String) {
    let parts = option.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
    let name = String(parts[0].dropFirst(2))
    guard option.hasPrefix("--"), let first = name.first, first.isASCII, first.isLetter, isPrintable(option),
      name.allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-") })
    else {
      throw InputError("is no option of sbatch; allowed: --NAME or --NAME=VALUE, as --mem=4G", at: "--sbatch \(option)")
    }
    if own.contains(name) {
      throw InputError(
        "is what the sweep decides itself" + (name == "array" ? "; allowed: --jobs, how many tasks run at a time" : ""),
        at: "--sbatch \(option)")
    }
    return (name, parts.count == 1 ? "--\(name)" : "--\(name)=\(quoted(parts[1]))")
  }

  private static func isPrintable(_ text: String) -> Bool {
    text.unicodeScalars.allSatisfy {
      $0.value >= 32 && $0.value != 127 && !$0.properties.isPatternWhitespace || $0 == " "
    }
  }

  /// A value on a line of `#SBATCH`, where blanks part options and # begins a comment.
  private static func quoted(_ value: String) -> String {
    let isPlain = value.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "-+_.,:/@%[]=".contains($0)) }
    if isPlain && !value.isEmpty { return value }
    return "\"" + value.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\""
  }

  /// The lines of a script, without `#SBATCH`. What was given takes the place of the usual.
  /// - Parameter name: the job's.
  package func lines(name: String) -> [String] {
    let names = Set(given.map(\.name))
    var lines: [String] = []
    func add(_ name: String, _ text: String, unless others: [String] = []) {
      if names.isDisjoint(with: [name] + others) { lines.append(text) }
    }
    add("job-name", "--job-name=\(name)")
    add("open-mode", "--open-mode=append")
    add("requeue", "--requeue", unless: ["no-requeue"])
    if warns { add("signal", "--signal=B:TERM@60") }
    add("nodes", "--nodes=1")
    add("ntasks", "--ntasks=1")
    add("cpus-per-task", "--cpus-per-task=\(threads ?? 1)")
    return lines + given.map(\.text)
  }

  public static func == (a: SlurmOptions, b: SlurmOptions) -> Bool {
    a.threads == b.threads && a.limit == b.limit && a.given.map(\.text) == b.given.map(\.text)
  }
}
