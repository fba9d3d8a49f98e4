// SPDX-License-Identifier: GPL-3.0-or-later

/// How many positions attend to how many others, in how many heads.
public struct AttentionShape: Sendable, Equatable {
  /// The channels of queries, which are as many as those of keys and of values.
  public let channels: ChannelPlaces
  /// How many positions ask.
  public let queries: Int
  /// How many positions are asked: those of keys and values.
  public let keys: Int
  /// How many heads the channels are divided among.
  public let heads: Int
  /// Whether products of queries and keys are held a tile at a time, and not all of a head's at once.
  public let isTiled: Bool

  /// - Parameters:
  ///   - channels: of queries, of keys, and of values alike.
  ///   - queries: how many positions ask.
  ///   - keys: how many positions are asked.
  ///   - heads: equal parts of the channels that attend by themselves.
  ///   - tiled: whether products are held a tile at a time; nil: where a head has more than 2¹⁷ of them, as 363
  ///     positions have among themselves.
  public init(channels: ChannelPlaces, queries: Int, keys: Int, heads: Int, tiled: Bool? = nil) {
    precondition(heads > 0 && channels.count % heads == 0 && queries > 0 && keys > 0, "heads of unequal size")
    (self.channels, self.queries, self.keys, self.heads) = (channels, queries, keys, heads)
    isTiled = tiled ?? (queries * keys > 1 << 17)
  }

  /// Positions that attend to themselves.
  public init(channels: ChannelPlaces, positions: Int, heads: Int) {
    self.init(channels: channels, queries: positions, keys: positions, heads: heads)
  }

  var headWidth: Int { channels.count / heads }
  /// 1/√d
  var scale: Float { 1 / Float(headWidth).squareRoot() }
}

/// Channels [first, first + width) of blocked features as a matrix of positions × width.
public struct FeatureColumns: Sendable, Equatable {
  let positions, padded, first, width: Int

  /// - Parameters:
  ///   - positions: how many positions an item has.
  ///   - padded: how many places its channels have.
  ///   - first: the place of the first channel.
  ///   - width: how many channels.
  public init(positions: Int, padded: Int, first: Int, width: Int) {
    (self.positions, self.padded, self.first, self.width) = (positions, padded, first, width)
  }
}

/// A product of rows × inner and inner × columns matrices.
public struct BatchedShape: Sendable, Equatable {
  let rows, inner, columns: Int

  /// The shape of a product of `rows` × `inner` by `inner` × `columns`.
  public init(rows: Int, inner: Int, columns: Int) {
    (self.rows, self.inner, self.columns) = (rows, inner, columns)
  }
}
