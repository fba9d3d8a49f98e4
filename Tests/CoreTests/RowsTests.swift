// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Testing

@Suite struct RowsTests {
  /// Row i, column j holds 10 i + j.
  private func batch() -> Batch { Batch(rows: (0..<5).map { i in (0..<3).map { Double(10 * i + $0) } }) }

  @Test func partsKeepTheirPlaceInTheBatch() {
    var batch = batch()
    batch.withRows { rows in
      let part = rows[1..<4]
      #expect(part.span == RowSpan(first: 1, count: 3, dimension: 3))
      #expect(part[2, 1] == 31)
      let row = part.row(2)
      #expect(row.span == RowSpan(first: 3, count: 1, dimension: 3))
      row[0, 0] = -1
      #expect(rows[3, 0] == -1, "a part has no memory of its own")
      #expect(rows[5..<5].count == 0)
    }
  }

  @Test func columnsAreCopiedToTheirPlace() {
    var (batch, target) = (batch(), Batch(count: 5, dimension: 4))
    batch.withRows { rows in
      target.withRows {
        $0.fill(-1)
        $0.copy(columns: 1..<3, of: rows, to: 2)
      }
    }
    for i in 0..<5 {
      let expected: [Double] = [-1, -1, Double(10 * i + 1), Double(10 * i + 2)]
      #expect(Array(target.row(i)) == expected)
    }
  }

  @Test func normIsTheSumOfSquares() {
    var batch = Batch(rows: [[1, -2], [3, 0.5]])
    batch.withRows { #expect($0.squaredNorm == 14.25) }
  }

  @Test func storageIsSeenAsTheRowsThatAreAtWork() {
    let storage = RowStorage(RowSpan(first: 100, count: 4, dimension: 2))
    var batch = batch()
    batch.withRows { rows in
      // As many rows, and their places, of x; the dimension is the storage's own.
      let view = storage.view(like: rows[2..<4])
      #expect(view.span == RowSpan(first: 2, count: 2, dimension: 2))
      #expect(view.values == storage.rows.values)
    }
    #expect(storage.view(of: 7..<10).span == RowSpan(first: 7, count: 3, dimension: 2))
  }

  @Test func otherMemoryIsSeenWithTheSameShape() {
    var batch = batch()
    var other = [Double](repeating: 2, count: 6)
    batch.withRows { rows in
      other.withUnsafeMutableBufferPointer {
        let view = rows[1..<3].over($0.baseAddress!)
        #expect(view.span == RowSpan(first: 1, count: 2, dimension: 3))
        #expect(view.squaredNorm == 24)
      }
    }
  }
}
