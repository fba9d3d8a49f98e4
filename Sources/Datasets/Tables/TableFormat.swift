// SPDX-License-Identifier: GPL-3.0-or-later

/// How a table in text is written. What is `auto` is found in the file, by rules that hold for every file.
public struct TableFormat: Sendable, Equatable {
  /// Whether the first line names the columns. `auto`: `FirstLine` has the rule.
  public enum Header: String, Sendable, CaseIterable {
    /// Found in the file.
    case auto
    /// It names the columns.
    case yes
    /// It is a row.
    case no
  }

  /// What stands between fields. `auto`: of tab, semicolon and comma, in this order, the first that parts the first two
  /// records into equally many fields, more than one; else the first that the first record holds; else the comma.
  public enum Separator: String, Sendable, CaseIterable {
    /// Found in the file.
    case auto
    /// ,
    case comma
    /// ;
    case semicolon
    /// A tabulator.
    case tab

    var byte: UInt8? {
      switch self {
      case .auto: nil
      case .tab: UInt8(ascii: "\t")
      case .semicolon: UInt8(ascii: ";")
      case .comma: UInt8(ascii: ",")
      }
    }
  }

  /// What stands before the decimals of a number. `auto`: the point; where the comma does not part fields, the one that
  /// the first number with a mark has.
  public enum Decimal: String, Sendable, CaseIterable {
    /// Found in the file.
    case auto
    /// 1.5
    case point
    /// 1,5
    case comma
  }

  /// Whether the first line names the columns.
  public var header: Header
  /// What stands between fields.
  public var separator: Separator
  /// What stands before the decimals of a number.
  public var decimal: Decimal
  /// The separator that is tried before others where it is to be found.
  var usualSeparator = Separator.auto
  /// The header of the data's file, for a file beside it.
  var knownHeader: [String]?
  /// Whether a single number 0 in the first line may be a header, as the numbers 0, 1, …, n − 1 of more columns are.
  var countsOne = true
  /// Whether a first line of the numbers 0, 1, …, n − 1 may be a header at all.
  var countsAreNames = true

  /// A format; what is `auto` is found in the file.
  public init(header: Header = .auto, separator: Separator = .auto, decimal: Decimal = .auto) {
    self.header = header
    self.separator = separator
    self.decimal = decimal
  }

  /// How a file beside the data's is written. It may come from elsewhere, so that everything is found in it; what is
  /// said of the data's file decides where nothing else does.
  /// - Parameter table: the data's file, where there is one.
  static func beside(_ format: TableFormat, _ table: (header: [String]?, isCounting: Bool)?) -> TableFormat {
    var own = TableFormat()
    own.usualSeparator = format.separator
    own.knownHeader = table?.header
    own.countsOne = table?.isCounting ?? false
    own.countsAreNames = format.header != .no
    return own
  }
}
