// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels

extension Tape {
  /// op(a) op(b)
  public func matrixProduct(_ a: Tensor, _ b: Tensor, transposeA: Bool = false, transposeB: Bool = false) -> Tensor {
    let out = result(transposeA ? a.columns : a.rows, transposeB ? b.rows : b.columns)
    multiply(a, b, transposeA, transposeB, into: out, accumulate: false)
    return record(.matrixProduct(a, b, transposeA: transposeA, transposeB: transposeB), out)
  }

  func multiply(_ a: Tensor, _ b: Tensor, _ transposeA: Bool, _ transposeB: Bool, into out: Tensor, accumulate: Bool) {
    let inner = transposeA ? a.rows : a.columns
    precondition(inner == (transposeB ? b.columns : b.rows), "matrices of different inner size")
    ck_matrix_product(
      transposeA ? 1 : 0, transposeB ? 1 : 0, out.rows, out.columns, inner, a.values, a.stride, b.values, b.stride,
      accumulate ? 1 : 0, out.values, out.columns)
  }

  /// x + b for a row b
  public func addBias(_ x: Tensor, _ b: Tensor) -> Tensor {
    let out = result(x.rows, x.columns)
    ck_add_bias(out.values, x.values, b.values, x.rows, x.columns)
    return record(.addBias(x, b), out)
  }

  /// silu(x + b) in one pass over x, whose memory then holds x + b: for an x that nobody else will read.
  public func biasThenSilu(_ x: Tensor, _ b: Tensor) -> Tensor {
    let out = recording ? result(x.rows, x.columns) : x
    ck_bias_silu(out.values, x.values, b.values, x.rows, x.columns)
    let biased = record(.addBias(x, b), Tensor(values: x.values, rows: x.rows, columns: x.columns))
    return record(.silu(biased, order: 0), out)
  }

  /// silu(x) = x / (1 + e^{−x}), or its derivative of order 1 to 3.
  public func silu(_ x: Tensor, order: Int = 0) -> Tensor {
    precondition((0...3).contains(order), "derivatives of SiLU are known to order 3")
    let out = result(x.rows, x.columns)
    ck_silu(out.values, x.values, Int32(order), x.count)
    return record(.silu(x, order: order), out)
  }

  /// g ⊙ silu^(order)(x)
  func siluProduct(_ g: Tensor, _ x: Tensor, order: Int, inPlace: Bool = false) -> Tensor {
    precondition((0...3).contains(order), "derivatives of SiLU are known to order 3")
    let out = inPlace ? Tensor(values: g.values, rows: g.rows, columns: g.columns) : result(x.rows, x.columns)
    ck_silu_product(out.values, g.values, x.values, Int32(order), x.count)
    return record(.siluProduct(g, x, order: order), out)
  }

  /// a x + b y
  /// - Parameter last: nobody else will read y.
  public func sum(_ a: Float, _ x: Tensor, _ b: Float, _ y: Tensor, last: Bool = false) -> Tensor {
    precondition(x.rows == y.rows && x.columns == y.columns, "tensors of different shapes")
    let out = last && !recording ? y : result(x.rows, x.columns)
    ck_sum(out.values, a, x.values, b, y.values, x.count)
    return record(.sum(a, x, b, y), out)
  }

  /// a x
  public func scale(_ x: Tensor, by a: Float) -> Tensor { sum(a, x, 0, x) }

  /// x ⊙ y
  public func product(_ x: Tensor, _ y: Tensor) -> Tensor {
    precondition(x.rows == y.rows && x.columns == y.columns, "tensors of different shapes")
    let out = result(x.rows, x.columns)
    ck_product(out.values, x.values, y.values, x.count)
    return record(.product(x, y), out)
  }

  /// x_ij s_i for a column of constants s
  public func scaleRows(_ x: Tensor, by s: Tensor) -> Tensor {
    let out = result(x.rows, x.columns)
    ck_scale_rows(out.values, x.values, s.values, x.rows, x.columns)
    return record(.scaleRows(x, by: s), out)
  }

  /// Σ_i x_ij
  public func columnSums(_ x: Tensor) -> Tensor {
    let out = result(1, x.columns)
    ck_column_sums(out.values, x.values, x.rows, x.columns, 0)
    return record(.columnSums(x), out)
  }

  /// Σ_j x_ij
  public func rowSums(_ x: Tensor) -> Tensor {
    let out = result(x.rows, 1)
    ck_row_sums(out.values, x.values, x.rows, x.columns)
    return record(.rowSums(x), out)
  }

  /// A row, `rows` times.
  public func repeatRow(_ x: Tensor, rows: Int) -> Tensor {
    let out = result(rows, x.columns)
    for i in 0..<rows { (out.values + i * x.columns).update(from: x.values, count: x.columns) }
    return record(.repeatRow(x), out)
  }

  /// A column, `columns` times.
  public func repeatColumn(_ x: Tensor, columns: Int) -> Tensor {
    let out = result(x.rows, columns)
    for i in 0..<x.rows { (out.values + i * columns).update(repeating: x.values[i], count: columns) }
    return record(.repeatColumn(x), out)
  }

  /// [x, y]
  public func concatenate(_ x: Tensor, _ y: Tensor) -> Tensor {
    precondition(x.rows == y.rows, "tensors of different row counts")
    let out = result(x.rows, x.columns + y.columns)
    place(x, in: out, first: 0)
    place(y, in: out, first: x.columns)
    return record(.concatenate(x, y), out)
  }

  private func place(_ x: Tensor, in out: Tensor, first: Int) {
    for i in 0..<x.rows {
      (out.values + i * out.columns + first).update(from: x.values + i * x.stride, count: x.columns)
    }
  }

  /// `count` columns from `first` on.
  public func columns(_ x: Tensor, first: Int, count: Int) -> Tensor {
    let view = Tensor(values: x.values + first, rows: x.rows, columns: count, stride: x.stride)
    // Without recording a view does, for the operations that know strides (matrix products).
    if !recording { return view }
    let out = result(x.rows, count)
    place(view, in: out, first: 0)
    return record(.columns(x, first: first), out)
  }

  /// x as the columns from `first` on of `total`, zeros elsewhere.
  public func pad(_ x: Tensor, first: Int, total: Int) -> Tensor {
    let out = result(x.rows, total)
    out.values.update(repeating: 0, count: out.count)
    place(x, in: out, first: first)
    return record(.pad(x, first: first), out)
  }

  /// [sin(t w), cos(t w)] for a column t and a row of constant frequencies w, or the derivative of any order in t.
  public func sinusoids(_ t: Tensor, frequencies: Tensor, order: Int = 0) -> Tensor {
    let half = frequencies.columns
    let out = result(t.rows, 2 * half)
    ck_sinusoids(out.values, t.values, frequencies.values, Int32(order), t.rows, half, 2 * half)
    return record(.sinusoids(t, frequencies, order: order), out)
  }

  /// Σ_i s_i Σ_j x_ij² for a column of constants s, summed in double.
  public func weightedSquares(_ x: Tensor, by s: Tensor) -> Tensor {
    let out = result(1, 1)
    out.values[0] = Float(ck_weighted_squares(x.values, s.values, x.rows, x.columns))
    return record(.weightedSquares(x, by: s), out)
  }
}
