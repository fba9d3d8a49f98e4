// SPDX-License-Identifier: GPL-3.0-or-later

/// Which group of a group normalisation each place of blocked features belongs to.
public final class ChannelGroups: Sendable {
  /// The channels that are normalised.
  public let channels: ChannelPlaces
  /// How many groups of equal size there are.
  public let groups: Int
  /// Added to variances.
  public let epsilon: Float
  /// The group of each place; −1 where no channel is.
  let group: [Int32]

  /// - Precondition: groups of equal size.
  public init(_ channels: ChannelPlaces, groups: Int, epsilon: Double) {
    precondition(groups > 0 && channels.count % groups == 0, "groups of unequal size")
    self.channels = channels
    self.groups = groups
    self.epsilon = Float(epsilon)
    var group = [Int32](repeating: -1, count: channels.padded)
    for (channel, place) in channels.places.enumerated() { group[place] = Int32(channel / (channels.count / groups)) }
    self.group = group
  }

  /// Channels of a group.
  var size: Int { channels.count / groups }
}
