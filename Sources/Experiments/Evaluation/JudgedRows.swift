// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Evaluation

/// What samples are compared with: held-out rows, those of their own conditions where these are known, and real rows
/// that stand in the samples' place.
///
/// Samples of one class, or of some, are compared with data of these classes alone. So are samples for one text, or for
/// the same numbers, where held-out rows have them.
struct JudgedRows {
  /// Samples, and the rows that they are compared with.
  struct Group {
    /// The class; nil for all samples.
    let label: Int?
    let reference: Reference
    /// Real rows as samples, against the same rows, or against half of them for a metric that asks for rows that nobody
    /// has learned from.
    fileprivate let real, unlearned: Half

    fileprivate struct Half {
      let samples: Batch
      let conditions: Conditions
      let reference: Reference
    }
  }

  /// All samples first, then each class that occurs among them, where more than one does.
  let groups: [Group]
  /// What a reader of the results should know of the comparison.
  let notes: [String]
  /// What each sample was drawn for.
  private let conditions: Conditions
  /// What is behind the observations of the samples, in turn.
  private let truth: Batch?
  private let setting: (seed: UInt64, bootstrap: Int, threads: Int)

  /// Keys the choice of rows.
  private static let choice = Purpose(rawValue: 51)

  /// - Parameters:
  ///   - source: where the data comes from.
  ///   - dataset: its rows.
  ///   - conditions: what each sample was drawn for.
  ///   - drawsFurther: whether real rows to stand in the samples' place may be drawn anew from the source.
  ///   - truth: what is behind the observations of the samples, in turn; nil where that is not known.
  ///   - count: how many samples there are.
  ///   - usesTraining: whether a metric looks at the rows that were learned from.
  ///   - seed: keys the choice of real rows, and the metrics' random numbers.
  ///   - bootstrap: how many resamples metrics take.
  ///   - threads: results do not depend on it.
  init(
    _ source: any DataSource, _ dataset: Dataset, conditions: Conditions, drawsFurther: Bool = true,
    truth: Batch? = nil, count: Int, usesTraining: Bool, seed: UInt64, bootstrap: Int, threads: Int
  ) {
    self.truth = truth
    self.conditions = conditions
    setting = (seed, bootstrap, threads)
    let known = KnownRows(dataset, seed: seed)
    let image = source.imageShape.map { Comparison.Image(height: $0.height, width: $0.width, channels: $0.channels) }
    let drawn = drawsFurther ? source.furtherRows(count, seed: seed) : nil
    let wanted = Self.wanted(conditions, count)
    var notes: [String] = []
    // What learns classes learns all of them, once, whichever rows are judged.
    var everything: Reference?
    if usesTraining, known.hasConditions {
      let (heldOut, training) = (known.heldOut(nil), known.training(nil, atMost: nil))
      everything = Reference(
        heldOut: heldOut.batch, heldOutConditions: heldOut.conditions, training: training.batch,
        trainingConditions: training.conditions, image: image)
    }

    func group(_ conditions: Set<Key>?, _ label: Int?, samples n: Int) -> Group {
      let heldOut = known.heldOut(conditions)
      let training = usesTraining ? known.training(conditions, atMost: nil) : nil
      func reference(_ rows: KnownRows.Some) -> Reference {
        Reference(
          heldOut: rows.batch, heldOutConditions: rows.conditions, training: training?.batch,
          trainingConditions: training?.conditions ?? .nothing, image: image, whole: everything)
      }
      let whole = reference(heldOut)
      if let drawn {
        let half = Group.Half(samples: drawn.prefix(n), conditions: .nothing, reference: whole)
        return Group(label: label, reference: whole, real: half, unlearned: half)
      }
      let real = known.training(conditions, atMost: n)
      let (some, others) = known.halves(of: conditions)
      return Group(
        label: label, reference: whole,
        real: .init(samples: real.batch, conditions: real.conditions, reference: whole),
        unlearned: .init(samples: some.batch, conditions: some.conditions, reference: reference(others)))
    }

    // Held-out rows of other conditions are no measure for these samples.
    var restriction: Set<Key>?
    if let wanted, known.hasConditions, !known.conditionsHeldOut.isSubset(of: wanted) {
      if known.conditionsHeldOut.isDisjoint(with: wanted), !wanted.contains(where: \.isLabel) {
        notes.append("no held-out row has the condition of the samples: they are compared with all rows")
      } else {
        restriction = wanted
        let rows = known.heldOut(wanted).batch.count
        let whose = wanted.count == 1 ? "its" : "their"
        notes.append("samples are of \(Self.text(wanted)), and compared with \(whose) \(rows) held-out rows")
      }
    }
    let all = group(restriction, nil, samples: count)
    if dataset.heldOutRows.count > 0, all.real.samples.count < count {
      notes.append(
        "the figures of real data are of \(all.real.samples.count) rows to learn from, fewer than the \(count) samples")
    }
    var groups = [all]
    if let wanted, known.hasConditions, wanted.count > 1, wanted.allSatisfy(\.isLabel) {
      for label in wanted.compactMap(\.label).sorted() {
        let samples = (0..<count).count { conditions[$0] == .label(label) }
        groups.append(group([Key(.label(label))], label, samples: samples))
      }
    }
    self.groups = groups
    self.notes = notes
  }

  /// Samples against the rows of a group.
  /// - Throws: `InputError` for more samples than there are conditions.
  func comparison(_ samples: Batch, _ group: Group) throws -> Comparison {
    if let listed = conditions.count, listed < samples.count {
      throw InputError("\(samples.count) samples, and conditions of \(listed) by the config; `sample` draws them anew")
    }
    guard let label = group.label else {
      return comparison(samples, conditions, group.reference, truth: truth)
    }
    let rows = (0..<samples.count).filter { conditions[$0] == .label(label) }
    return comparison(samples.only(rows), .all(.label(label)), group.reference)
  }

  /// Real rows in the samples' place.
  func real(_ group: Group, for metric: any Metric) -> Comparison {
    let half = metric.usesTraining ? group.unlearned : group.real
    return comparison(half.samples, half.conditions, half.reference)
  }

  private func comparison(
    _ samples: Batch, _ conditions: Conditions, _ reference: Reference, truth: Batch? = nil
  ) -> Comparison {
    Comparison(
      samples: samples, sampleConditions: conditions, reference: reference, truth: truth, seed: setting.seed,
      bootstrap: setting.bootstrap, threads: setting.threads)
  }

  /// The conditions that occur among samples; nil where some have none.
  private static func wanted(_ conditions: Conditions, _ count: Int) -> Set<Key>? {
    switch conditions {
    case .all(.nothing): return nil
    case .all(let condition): return [Key(condition)]
    // Numbers of each sample's own are hardly ever those of a row.
    case .numbers, .both: return nil
    default: return Set((0..<min(count, conditions.count ?? count)).map { Key(conditions[$0]) })
    }
  }

  private static func text(_ wanted: Set<Key>) -> String {
    let labels = wanted.compactMap(\.label).sorted()
    if labels.count == 1 { return "class \(labels[0])" }
    if labels.isEmpty { return wanted.count == 1 ? "one condition" : "\(wanted.count) conditions" }
    return "classes \(labels.listed)"
  }

  /// A condition that can be looked up.
  fileprivate struct Key: Hashable {
    let text: String
    let label: Int?
    var isLabel: Bool { label != nil }

    init(_ condition: Condition) {
      text = "\(condition)"
      label = if case .label(let label) = condition { label } else { nil }
    }
  }

  /// The rows of the data by their conditions.
  private struct KnownRows {
    struct Some {
      let batch: Batch
      let conditions: Conditions
    }

    private let dataset: Dataset
    private let seed: UInt64
    private let whole: Some
    let conditionsHeldOut: Set<Key>

    init(_ dataset: Dataset, seed: UInt64) {
      self.dataset = dataset
      self.seed = seed
      whole = Some(batch: dataset.heldOutRows.batch(), conditions: dataset.heldOutConditions)
      conditionsHeldOut =
        dataset.heldOutConditions == .nothing
        ? [] : Set((0..<dataset.heldOutRows.count).map { Key(dataset.heldOutConditions[$0]) })
    }

    var hasConditions: Bool { !conditionsHeldOut.isEmpty }

    /// The held-out rows of some conditions; nil: all.
    func heldOut(_ conditions: Set<Key>?) -> Some {
      guard let conditions else { return whole }
      return only(rows(conditions, dataset.heldOutConditions, dataset.heldOutRows.count))
    }

    private func only(_ rows: [Int]) -> Some {
      Some(batch: whole.batch.only(rows), conditions: whole.conditions.only(rows))
    }

    private func rows(_ wanted: Set<Key>?, _ conditions: Conditions, _ count: Int) -> [Int] {
      guard let wanted else { return Array(0..<count) }
      return (0..<count).filter { wanted.contains(Key(conditions[$0])) }
    }

    /// Rows to learn from, of some conditions.
    /// - Parameter limit: at most so many, drawn by a hash of (seed, row); nil: all.
    func training(_ conditions: Set<Key>?, atMost limit: Int?) -> Some {
      let (rows, known) = (dataset.trainingRows, dataset.trainingConditions)
      if conditions == nil, limit == nil { return Some(batch: rows.batch(), conditions: known) }
      var chosen = self.rows(conditions, known, rows.count)
      if let limit { chosen = draw(limit, of: chosen) }
      var values: [Double] = []
      values.reserveCapacity(chosen.count * rows.dimension)
      for row in chosen { values += rows.row(row) }
      return Some(batch: Batch(values: values, dimension: rows.dimension), conditions: known.only(chosen))
    }

    /// Held-out rows of some conditions in two halves.
    func halves(of conditions: Set<Key>?) -> (Some, Some) {
      let all = rows(conditions, dataset.heldOutConditions, dataset.heldOutRows.count)
      let some = draw(all.count / 2, of: all)
      let taken = Set(some)
      return (only(some), only(all.filter { !taken.contains($0) }))
    }

    /// Some of these rows, in their order: those of the smallest hashes.
    private func draw(_ count: Int, of rows: [Int]) -> [Int] {
      guard count < rows.count else { return rows }
      let hashes = NoiseStream(seed: seed, purpose: JudgedRows.choice).uniforms(
        count: (rows.last ?? 0) + 1, dimension: 1)
      return rows.sorted { (hashes.values[$0], $0) < (hashes.values[$1], $1) }.prefix(count).sorted()
    }
  }
}
