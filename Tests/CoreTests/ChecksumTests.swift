// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Testing

@Suite struct ChecksumTests {
  /// The values that Noll publishes.
  @Test(arguments: [("", "cbf29ce484222325"), ("a", "af63dc4c8601ec8c"), ("foobar", "85944171f73967e8")])
  func isFNV1a(text: String, expected: String) {
    #expect(Checksum.text(of: text) == expected)
  }
}
