// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Testing

@Suite struct BatchTests {
  @Test func rowsAreStoredOneAfterAnother() {
    var batch = Batch(rows: [[1, 2, 3], [4, 5, 6]])
    #expect(batch.count == 2 && batch.dimension == 3 && batch[1, 2] == 6)
    batch[0, 1] = 9
    #expect(batch.values == [1, 9, 3, 4, 5, 6])
    #expect(Array(batch.row(1)) == [4, 5, 6])
    #expect(batch.prefix(1) == Batch(rows: [[1, 9, 3]]))
    #expect(batch.prefix(7) == batch)
  }

  @Test func rowsAreAViewOfTheBatch() {
    var batch = Batch(count: 2, dimension: 2)
    batch.withRows { rows in
      rows[1, 0] = 5
      #expect(rows.size == 4 && rows.span == RowSpan(first: 0, count: 2, dimension: 2))
    }
    #expect(batch.values == [0, 0, 5, 0])
  }

  @Test func storageIsZeroAndAligned() {
    let storage = RowStorage(RowSpan(first: 3, count: 5, dimension: 7))
    #expect(UInt(bitPattern: storage.rows.values) % 64 == 0 && storage.rows.first == 3)
    #expect((0..<35).allSatisfy { storage.rows.values[$0] == 0 })
  }

  @Test func errorsSayWhatAndWhere() {
    #expect("\(InputError("no such file", at: "a.csv"))" == "a.csv: no such file")
    #expect("\(InputError("no such file"))" == "no such file")
    #expect("\(ComputationError.nonFinite(NonFinite(.loss, step: 3)))".contains("step 3"))
    #expect("\(ComputationError.stepLimit(rows: 0..<256, steps: 9, time: 0.5, method: "rkf45"))".contains("0 to 255"))
  }
}
