// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Pairs
import TestSupport
import Testing

@Suite("Team") struct TeamTests {
  @Test("a thread without ranks is one rank, and so is a worker of one that has some") func current() throws {
    #expect(Team.current.count == 1 && Team.current.isRoot)
    for result in ThreadRanks.run(
      3,
      { ranks -> [Int] in
        let before = Team.current.count
        var inside: [Int] = []
        // The calling thread is a worker, too.
        try Shards(rows: 2, size: 1).forEach(threads: 1) { _, _ in #expect(Team.current.count == 1) }
        inside.append(Team.with(OneRank.shared) { Team.current.count })
        return [before, Team.current.count] + inside
      }
    ).values {
      #expect(try result.get() == [3, 3, 1])
    }
    #expect(Team.current.count == 1)
  }

  @Test("what rank 0 decides, all ranks have: values, errors and bytes") func fromRoot() throws {
    let results = ThreadRanks.run(4) { ranks -> [String] in
      let value = try ranks.fromRoot { "of rank \(ranks.rank)" }
      var errors: [String] = []
      do { try ranks.onRoot { throw InputError("no \(ranks.rank)", at: "file:3") } } catch { errors.append("\(error)") }
      do { try ranks.onRoot { throw ComputationError.nonFinite(.state(row: 1, step: 2, time: .nan)) } } catch {
        errors.append("\(error is ComputationError) \(error)")
      }
      let numbers = try ranks.numbers { [Double.nan, -0.0, 3].map { $0 + Double(ranks.rank) } }
      let none = try ranks.numbers { [Double]?.none }
      return [value, "\(numbers ?? [])", "\(none == nil)"] + errors
    }.values
    let expected = [
      "of rank 0", "[nan, 0.0, 3.0]", "true", "file:3: no 0",
      "true the state is not finite in row 1 at step 2, t = nan",
    ]
    for result in results { #expect(try result.get() == expected) }
  }

  @Test("values that ranks compute are in order, and the error of the lowest number is that of all") func map() throws {
    for count in [1, 2, 3, 8] {
      let results = ThreadRanks.run(count) { ranks -> ([Double], String) in
        let values = try ranks.map(11, threads: 2) { sqrt(Double($0)) - 1 }
        do {
          _ = try ranks.map(11, threads: 2) { number -> Int in
            if number == 9 || number == 4 { throw InputError("number \(number)") }
            return number
          }
        } catch { return (values, "\(error)") }
        return (values, "none")
      }.values
      for result in results {
        let (values, error) = try result.get()
        #expect(values == (0..<11).map { sqrt(Double($0)) - 1 } && error == "number 4")
      }
    }
  }

  @Test("rows that ranks write are those of one, in whole shards", arguments: [0, 1, 5, 256, 1000])
  func rows(rows: Int) throws {
    var expected = Batch(count: rows, dimension: 3)
    try expected.forEachShard(of: 100, threads: 2) { x in
      for i in 0..<x.count { for j in 0..<3 { x[i, j] = Double((x.first + i) * 10 + j) } }
    }
    for count in [2, 3, 8] {
      let results = ThreadRanks.run(count) { ranks -> Batch in
        var batch = Batch(count: rows, dimension: 3)
        try batch.forEachShard(of: 100, threads: 2, among: ranks) { x in
          for i in 0..<x.count { for j in 0..<3 { x[i, j] = Double((x.first + i) * 10 + j) } }
        }
        return batch
      }.values
      for result in results { #expect(try result.get() == expected) }
    }
  }
}
