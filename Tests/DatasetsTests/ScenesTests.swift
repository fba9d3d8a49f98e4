// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Testing

@Suite struct ScenesTests {
  private static func texts(_ conditions: Conditions) -> [String] {
    guard case .texts(let texts) = conditions else { return [] }
    return texts
  }

  private static let colours: [SceneCaption.Colour: [Double]] = [
    .red: [0.95, 0.16, 0.14], .green: [0.15, 0.85, 0.25], .blue: [0.22, 0.38, 1], .yellow: [1, 0.88, 0.1],
    .purple: [0.85, 0.25, 0.9], .white: [0.95, 0.95, 0.95],
  ]

  // MARK: Captions

  @Test func captionsReadAsTheyAreWritten() throws {
    let first = SceneCaption.Group(count: 2, colour: .red, digit: 7)
    let second = SceneCaption.Group(count: 1, colour: .green, digit: 3)
    #expect(SceneCaption(first, .above, second).text == "two red sevens above a green three")
    #expect(SceneCaption(second, .left, first).text == "a green three left of two red sevens")
    #expect(SceneCaption(.init(count: 3, colour: .white, digit: 1)).text == "three white ones")
    #expect(SceneCaption.words.count == 32)
    var singles = 0
    for count in 1...3 {
      for colour in SceneCaption.Colour.allCases {
        for digit in 0...9 {
          let caption = SceneCaption(.init(count: count, colour: colour, digit: digit))
          #expect(SceneCaption(caption.text) == caption)
          singles += 1
        }
      }
    }
    #expect(singles == 180)
    let words = Set(SceneCaption.words)
    for text in Self.texts(try Scenes(count: 3000).load(seed: 4).trainingConditions) {
      #expect(SceneCaption(text)?.text == text && text.split(separator: " ").allSatisfy { words.contains(String($0)) })
    }
  }

  @Test(
    "what is no caption is none",
    arguments: [
      "", " ", "a red", "a red sevens", "two red seven", "four red sevens", "a pink seven", "a red seven ",
      "a  red seven", "A red seven", "a red seven above a red three", "two red sevens above two green threes",
      "a red seven beside a green three", "a red seven left a green three", "a red seven above", "above a red seven",
      "a red seven above a green three below a blue one",
    ])
  func noCaption(text: String) { #expect(SceneCaption(text) == nil) }

  @Test func combinationsAreKeptBackFromTraining() throws {
    let scenes = Scenes(count: 20_000, heldOut: 2000)
    let data = try scenes.load(seed: 1)
    let training = Self.texts(data.trainingConditions).compactMap { SceneCaption($0) }
    #expect(training.count == 20_000 && !training.contains(where: \.isKeptBack))
    // Every colour with every digit that is not kept back, 50 of 60; every place with its counts, 10 of 12.
    #expect(Set(training.flatMap(\.groups).map { "\($0.colour) \($0.digit)" }).count == 50)
    let layouts = training.compactMap { caption in caption.place.map { "\($0) \(caption.groups.map(\.count))" } }
    #expect(Set(layouts).count == 10 && !layouts.contains("below [2, 1]") && !layouts.contains("left [1, 2]"))
    let judged = Self.texts(data.heldOutConditions)
    for (row, text) in judged.enumerated() {
      #expect(SceneCaption(text)?.isKeptBack == (row % 2 == 1))
      #expect(scenes.isSeen(.text(text)) == (row % 2 == 0))
    }
    let unseen = judged.compactMap { SceneCaption($0) }.filter(\.isKeptBack)
    // The three reasons: in 30 % of captions the only pair, else each in a third, of 1,000 captions to five deviations.
    func share(_ isSo: (SceneCaption) -> Bool) -> Double { Double(unseen.count(where: isSo)) / Double(unseen.count) }
    #expect(abs(share { $0.place == nil } - 0.3) < 0.073)
    #expect(abs(share { $0.place != nil && $0.groups[0].isKeptBack } - 0.7 / 3) < 0.067)
    #expect(abs(share { $0.place != nil && $0.groups[1].isKeptBack } - 0.7 / 3) < 0.067)
    #expect(scenes.isSeen(.text("a house")) == nil && scenes.isSeen(.label(1)) == nil)

    let whole = Scenes(count: 5000, keepsBack: false)
    let all = Self.texts(try whole.load(seed: 1).trainingConditions).compactMap { SceneCaption($0) }
    #expect(Set(all.flatMap(\.groups).map { "\($0.colour) \($0.digit)" }).count == 60)
    #expect(whole.isSeen(.text("a red zero")) == nil)
  }

  // MARK: Pictures

  @Test func aPictureDependsOnItsKeysAlone() throws {
    let scenes = Scenes(count: 300, heldOut: 20)
    let (one, two) = (try scenes.load(seed: 3), try scenes.load(seed: 3))
    #expect(one.trainingConditions == two.trainingConditions && one.heldOut == two.heldOut)
    #expect(one.trainingRows.rows(40..<44).values == Array(two.training.values[40 * 3072..<44 * 3072]))
    #expect(try scenes.load(seed: 4).heldOut != one.heldOut)
    func picture(_ item: Int, step: Int, row: Int, seed: UInt64 = 3) -> [Float] {
      var values = [Float](repeating: 0, count: 3072)
      let variation = Variation(uniforms: SIMD3(0, 0, 0), seed: seed, step: step, row: row)
      values.withUnsafeMutableBufferPointer { one.source.copy(item, variation: variation, into: $0.baseAddress!) }
      return values
    }
    let drawn = picture(7, step: 2, row: 5)
    #expect(drawn == picture(7, step: 2, row: 5))
    // Another step, row or seed is another picture of the same caption; another item another caption.
    for other in [
      picture(7, step: 3, row: 5), picture(7, step: 2, row: 6), picture(7, step: 2, row: 5, seed: 4),
      picture(8, step: 2, row: 5),
    ] {
      #expect(other != drawn)
    }
    var doubles = [Double](repeating: 0, count: 3072)
    let variation = Variation(uniforms: SIMD3(0, 0, 0), seed: 3, step: 2, row: 5)
    doubles.withUnsafeMutableBufferPointer { one.source.copy(7, variation: variation, into: $0.baseAddress!) }
    #expect(doubles.map { Float($0) } == drawn)
    let levels = try #require(scenes.levels)
    #expect(levels.levels == 256 && doubles.allSatisfy { (($0 + 1) * 127.5).rounded() / 127.5 - 1 == $0 })
  }

  /// For every colour, how much of each pixel it makes: the pixel is the ground and a share of one colour, the one that
  /// leaves the least.
  private static func shares(_ row: [Double]) -> [SceneCaption.Colour: [Double]] {
    let ground = (0..<3).map { c in (0..<1024).map { row[3 * $0 + c] }.min() ?? -1 }
    var shares = colours.mapValues { _ in [Double](repeating: 0, count: 1024) }
    for i in 0..<1024 {
      var best: (colour: SceneCaption.Colour, share: Double, rest: Double)?
      for (colour, rgb) in colours {
        let way = (0..<3).map { 2 * rgb[$0] - 1 - ground[$0] }
        let p = (0..<3).map { row[3 * i + $0] - ground[$0] }
        let share = zip(way, p).reduce(0) { $0 + $1.0 * $1.1 } / way.reduce(0) { $0 + $1 * $1 }
        let rest = zip(way, p).reduce(0) { $0 + ($1.1 - share * $1.0) * ($1.1 - share * $1.0) }
        if rest < best?.rest ?? .infinity { best = (colour, share, rest) }
      }
      if let best, best.share > 0.25 { shares[best.colour]?[i] = best.share }
    }
    return shares
  }

  @Test func coloursAndPlacesAreThoseOfTheCaption() throws {
    let data = try Scenes(count: 10, heldOut: 400).load(seed: 2)
    var (ink, figures) = ([Double](), [Int]())
    for (row, text) in Self.texts(data.heldOutConditions).enumerated() {
      let caption = try #require(SceneCaption(text))
      let shares = Self.shares(data.heldOutRows.row(row))
      let sums = shares.mapValues { $0.reduce(0, +) }
      let whole = sums.values.reduce(0, +)
      let own = Set(caption.groups.map(\.colour))
      // Edges mix with the ground, and colours are jittered: a twentieth may look like others.
      #expect(sums.filter { !own.contains($0.key) }.values.reduce(0, +) < 0.05 * whole, "\(text)")
      ink.append(whole)
      figures.append(caption.groups.reduce(0) { $0 + $1.count })
      let centres = caption.groups.map { group in
        let share = shares[group.colour] ?? []
        let sum = share.reduce(0, +)
        return (
          y: (0..<1024).reduce(0.0) { $0 + Double($1 / 32) * share[$1] } / sum,
          x: (0..<1024).reduce(0.0) { $0 + Double($1 % 32) * share[$1] } / sum
        )
      }
      switch caption.place {
      case .above: #expect(centres[0].y < 15.5 && centres[1].y > 15.5, "\(text)")
      case .below: #expect(centres[0].y > 15.5 && centres[1].y < 15.5, "\(text)")
      case .left: #expect(centres[0].x < 15.5 && centres[1].x > 15.5, "\(text)")
      case .right: #expect(centres[0].x > 15.5 && centres[1].x < 15.5, "\(text)")
      case nil: break
      }
    }
    // Each further digit is as much ink again, to a third.
    let means = (1...3).map { n in
      let own = ink.indices.filter { figures[$0] == n }
      return own.reduce(0) { $0 + ink[$1] } / Double(own.count)
    }
    #expect(means[1] > 1.5 * means[0] && means[2] > 1.3 * means[1], "\(means)")
  }

  /// A picture of n × n values within the box of those above a tenth, as 8 × 8.
  private static func boxed(_ values: [Double], _ n: Int) -> [Double] {
    let marked = values.indices.filter { values[$0] > 0.1 }
    let (ys, xs) = (marked.map { $0 / n }, marked.map { $0 % n })
    guard let y0 = ys.min(), let y1 = ys.max(), let x0 = xs.min(), let x1 = xs.max() else { return [] }
    func sample(_ y: Double, _ x: Double) -> Double {
      let (i, j) = (Int(y), Int(x))
      func at(_ i: Int, _ j: Int) -> Double { values[min(i, n - 1) * n + min(j, n - 1)] }
      let (u, v) = (y - Double(i), x - Double(j))
      return (1 - u) * ((1 - v) * at(i, j) + v * at(i, j + 1)) + u * ((1 - v) * at(i + 1, j) + v * at(i + 1, j + 1))
    }
    return (0..<64).map { (k: Int) -> Double in
      let (i, j): (Double, Double) = (Double(k / 8) / 7, Double(k % 8) / 7)
      let y: Double = Double(y0) + i * Double(y1 - y0)
      let x: Double = Double(x0) + j * Double(x1 - x0)
      return sample(y, x)
    }
  }

  @Test func digitsAreThoseOfTheCaptionAndOfTheirOwnPart() throws {
    let digits = try Digits().load(seed: 1)
    func known(_ rows: any DataRows, _ conditions: Conditions, isHeldOut: Bool) -> [(Int, Bool, [Double])] {
      (conditions.listedClasses ?? []).enumerated().map { row, label in
        (label, isHeldOut, Self.boxed(rows.row(row).map { ($0 + 1) / 2 }, 8))
      }
    }
    let all =
      known(digits.trainingRows, digits.trainingConditions, isHeldOut: false)
      + known(digits.heldOutRows, digits.heldOutConditions, isHeldOut: true)
    let data = try Scenes(count: 600, heldOut: 600).load(seed: 6)
    for (rows, conditions, isHeldOut) in [
      (data.trainingRows, data.trainingConditions, false), (data.heldOutRows, data.heldOutConditions, true),
    ] {
      var (count, right, own) = (0, 0, 0)
      for (row, text) in Self.texts(conditions).enumerated() {
        guard let caption = SceneCaption(text), caption.place == nil, caption.groups[0].count == 1 else { continue }
        let group = caption.groups[0]
        let picture = Self.boxed(Self.shares(rows.row(row))[group.colour] ?? [], 32)
        let nearest = all.min { a, b in
          func distance(_ c: [Double]) -> Double { zip(c, picture).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) } }
          return distance(a.2) < distance(b.2)
        }
        count += 1
        if nearest?.0 == group.digit { right += 1 }
        if nearest?.1 == isHeldOut { own += 1 }
      }
      // By chance a tenth would be right, and of the digits of the other part a sixth of the pictures would be nearest
      // to a held-out one.
      #expect(count > 40 && Double(right) > 0.85 * Double(count), "\(right) of \(count)")
      // A third is twice as many as by chance; enlarged digits are not always nearest to themselves.
      #expect(Double(own) > 0.33 * Double(count), "\(own) of \(count)")
    }
  }
}
