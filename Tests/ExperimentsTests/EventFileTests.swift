// SPDX-License-Identifier: GPL-3.0-or-later
import Experiments
import Foundation
import Testing

/// TensorBoard itself reads our files in `make tensorboard-check`.
@Suite("Event files") struct EventFileTests {
  /// The same four events as Tests/TensorBoard/make_events.py, whose bytes are those of TensorBoard's own writer.
  @Test("have the bytes of TensorBoard's own writer") func bytes() throws {
    let file = try #require(Bundle.module.url(forResource: "events", withExtension: "bin", subdirectory: "Fixtures"))
    let time = 1_700_000_000.25
    let picture = Data((0..<300).map { UInt8($0 * 7 % 256) })
    let ours =
      EventFile.beginning(time: time)
      + EventFile.record(
        EventFile.scalars([("training/loss", 0.125), ("training/learning_rate", 1e-3)], step: 25, time: time + 1.5))
      + EventFile.record(EventFile.scalars([("training/loss", 3e38)], step: 5_000_000_000, time: time + 2))
      + EventFile.record(
        EventFile.image(picture, width: 15, height: 20, tag: "preview", step: 500, time: time + 3))
    #expect(ours == (try Data(contentsOf: file)))
  }

  /// RFC 3720, appendix B.4.
  @Test("have the checksums of iSCSI's test vectors") func checksums() {
    #expect(EventFile.checksum(Data(repeating: 0, count: 32)) == 0x8A91_36AA)
    #expect(EventFile.checksum(Data(repeating: 0xFF, count: 32)) == 0x62A8_AB43)
    #expect(EventFile.checksum(Data(0..<32)) == 0x46DD_794E)
    #expect(EventFile.checksum(Data()) == 0)
  }
}

@Suite("Tables read back") struct CSVTableTests {
  @Test("fields in quotes come back; a last row that is not whole is left out") func reading() {
    let table = CSVTable("a,b\n1,\"x, \"\"y\"\"\nz\"\n2,nan\n3\n4,5")
    #expect(table.columns == ["a", "b"] && table.count == 2)
    #expect(table["b", 0] == "x, \"y\"\nz" && table["c", 0] == nil)
    #expect(table.number("a", 1) == 2 && table.number("b", 1) == nil)
    #expect(CSVTable("").count == 0 && CSVTable("a,b").count == 0 && CSVTable("\n").count == 0)
  }
}
