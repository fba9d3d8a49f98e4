// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Testing

@Suite("Folders of paths") struct ParentFolderTests {
  @Test(
    "the folder that a path lies in",
    arguments: [
      ("a/b/c", "a/b"), ("a/b", "a"), ("a", ""), ("é", ""), ("R", ""), (".", ""), ("/", "/"), ("//", "/"), ("/a", "/"),
      ("/é/", "/"), ("", ""), ("R/x", "R"), ("./c", "."), ("ab", ""), ("a/", ""), ("a//b//", "a"), ("👩‍🔬", ""),
    ])
  func parents(_ path: String, _ parent: String) { #expect(parentFolder(of: path) == parent) }
}
