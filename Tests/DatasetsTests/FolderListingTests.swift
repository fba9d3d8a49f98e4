// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Foundation
import Testing

/// A folder means what a person sees in it, and what is skipped is said.
@Suite struct FolderListingTests {
  static let jpeg: [UInt8] = [0xFF, 0xD8, 0xFF, 0xE0, 0, 16, 74, 70, 73, 70, 0, 1, 1]

  private func tags(_ folder: String) throws -> (tags: [Int], notes: [String]) {
    let images = try ImageFolder(path: folder, size: 2, flip: false)
    let data = try images.load(seed: 1)
    let rows = [data.training, data.heldOut].flatMap { rows in (0..<rows.count).map { pixels(rows.row($0))[0] } }
    return (rows.sorted(), images.notes)
  }

  private func image(_ tag: UInt8) -> [UInt8] { taggedPNG(tag, height: 2, width: 2) }

  @Test func whatNobodySeesIsPassedByInSilence() throws {
    let files = [
      "A.PNG": image(1), "b.Png": image(2), "c d/ä.png": image(3), "c d/e/f.png/g.png": image(4), ".h.png": image(5),
      ".i/j.png": image(6), "__MACOSX/A.png": image(7), "__MACOSX/._A.png": [1], ".DS_Store": [1], "Thumbs.db": [1],
      "c d/desktop.ini": [1],
    ]
    try withFolder(files) { folder in
      let (tags, notes) = try tags(folder)
      #expect(tags == [1, 2, 3, 4] && notes.isEmpty)
    }
  }

  @Test func whatIsSkippedIsCountedInOneLine() throws {
    let files = [
      "a.png": image(1), "b.png": image(2), "c.jpg": Self.jpeg, "d.txt": Array("x".utf8), "e/f.JPEG": Self.jpeg,
    ]
    try withFolder(files) { folder in
      let (tags, notes) = try tags(folder)
      #expect(tags == [1, 2])
      #expect(
        notes == [
          "\(folder): 3 files are skipped, as only .png files are read; the first is c.jpg (JPEG); convert images to PNG "
            + "to have them read"
        ])
    }
    // An image under another name is not read either, and that is said.
    try withFolder(["a.png": image(1), "b.png": image(2), "c.dat": image(3)]) { folder in
      let (tags, notes) = try tags(folder)
      #expect(tags == [1, 2])
      #expect(
        notes == [
          "\(folder): 1 file is skipped, as only .png files are read; the first is c.dat (PNG); PNG files by their content: "
            + "1, the first c.dat; name them .png to have them read"
        ])
    }
  }

  @Test func linksAreFollowedOnce() throws {
    let files = ["in/a.png": image(1), "in/b/c.png": image(2), "out/d.png": image(3), "out/e.jpg": Self.jpeg]
    try withFolder(files) { folder in
      let manager = FileManager.default
      // To a folder elsewhere, to a file elsewhere, and to the folder itself.
      try manager.createSymbolicLink(atPath: folder + "/in/z", withDestinationPath: folder + "/out")
      try manager.createSymbolicLink(atPath: folder + "/in/f.png", withDestinationPath: folder + "/out/d.png")
      try manager.createSymbolicLink(atPath: folder + "/in/b/loop", withDestinationPath: folder + "/in")
      let (tags, notes) = try tags(folder + "/in")
      #expect(tags == [1, 2, 3, 3])
      #expect(notes.count == 2 && notes[0].contains("the first is z/e.jpg (JPEG)"))
      #expect(notes[1].contains("read once: 1, the first at b/loop"))
      try manager.createSymbolicLink(atPath: folder + "/in/g.png", withDestinationPath: folder + "/nowhere")
      #expect(throws: InputError("is a link to nothing, or cannot be reached", at: folder + "/in/g.png")) {
        try ImageFolder(path: folder + "/in", size: 2)
      }
    }
  }

  @Test func aFileThatIsNoPNGIsNamed() throws {
    let wrong: [([UInt8], String)] = [
      (Self.jpeg, "it is a JPEG file by its content"), ([], "it is empty"),
      (Array("GIF89a trailing".utf8), "it is a GIF file by its content"),
      (Array("RIFF\0\0\0\0WEBPVP8 ".utf8), "it is a WebP file by its content"),
      (Array("hello, world".utf8), "it does not begin as PNG files do"),
      (Array(image(1).prefix(20)), "it ends within its header"),
      (Array(image(1).dropLast(12)), "it is truncated: it has no IEND"),
      (Array(image(1).dropLast(15)), "it is truncated within IDAT"),
    ]
    for (bytes, reason) in wrong {
      try withFolder(["a.png": image(1), "b.png": image(2), "c.png": bytes]) { folder in
        _ = #expect(throws: InputError("cannot be read as PNG: \(reason)", at: folder + "/c.png")) {
          try ImageFolder(path: folder, size: 2)
        }
      }
    }
    try withFolder(["a.png": image(1), "b.png": image(2)]) { folder in
      mkfifo(folder + "/c.png", 0o600)
      #expect(throws: InputError("is not a regular file", at: folder + "/c.png")) {
        try ImageFolder(path: folder, size: 2)
      }
    }
  }

  @Test func foldersAreClassesWhereThatIsAsked() throws {
    let files = [
      "t/dog/a.png": image(1), "t/dog/x/b.png": image(2), "t/cat/c.png": image(3), "t/cat/d.png": image(4),
      "t/Ant/e.png": image(5), "h/dog/f.png": image(6),
    ]
    try withFolder(files) { folder in
      let images = try ImageFolder(path: folder + "/t", size: 2) {
        $0.labelsFolders = true
        $0.heldOut = .file(folder + "/h")
      }
      #expect(images.classNames == ["Ant", "cat", "dog"] && images.conditionShape == .classes(3))
      let data = try images.load(seed: 1)
      #expect((0..<5).map { pixels(data.training.row($0))[0] } == [5, 3, 4, 1, 2])
      #expect(data.trainingConditions == .labels([0, 1, 1, 2, 2]) && data.heldOutConditions == .labels([2]))
      // Every class trains.
      let split = try ImageFolder(path: folder + "/t", size: 2) { $0.labelsFolders = true }.load(seed: 3)
      #expect(Set(try #require(split.trainingConditions.listedClasses)) == [0, 1, 2])
      // Larger images: every image is a row.
      let cropped = try ImageFolder(path: folder + "/t", size: 1) { $0.labelsFolders = true }.load(seed: 3)
      #expect(cropped.training.count == cropped.source.count && cropped.training.count == split.training.count)
      try Data(image(9)).write(to: URL(fileURLWithPath: folder + "/t/z.png"))
      #expect(throws: InputError.self) { try ImageFolder(path: folder + "/t", size: 2) { $0.labelsFolders = true } }
    }
  }

  @Test func transparencyIsComposedOnTheGroundThatIsAsked() throws {
    // A white line on a transparent ground, of two shapes.
    func drawing(_ place: Int) -> [UInt8] {
      png(width: 2, height: 1, format: 3, (0..<2).flatMap { [255, 255, 255, $0 == place ? 255 : 0] as [UInt8] })
    }
    try withFolder(["a.png": drawing(0), "b.png": drawing(1)]) { folder in
      func read(_ background: ImageFolder.Background) throws -> (ImageFolder, Set<[Int]>) {
        // 1 × 1 crops.
        let images = try ImageFolder(path: folder, size: 1, channels: 1) {
          $0.background = background
          $0.crops = 50
        }
        let data = try images.load(seed: 1)
        return (images, Set((0..<50).map { pixels(data.training.row($0)) }))
      }
      let (white, whites) = try read(.white)
      #expect(whites == [[255]])
      #expect(
        white.notes == [
          "\(folder): every value of its 2 images is 255, a constant; they are transparent: background: black shows what is drawn on "
            + "them"
        ])
      let (black, blacks) = try read(.black)
      #expect(blacks == [[0], [255]] && black.notes.isEmpty)
      let (gray, grays) = try read(.gray)
      #expect(grays == [[128], [255]] && gray.notes.isEmpty)
    }
  }

  @Test func imagesThatAreAllAlikeAreSaid() throws {
    try withFolder(["a.png": image(1), "b.png": image(1)]) { folder in
      let note = "\(folder): all 2 images are the same file, constant data: there is nothing to learn from them"
      let notes = try ImageFolder(path: folder, size: 2).notes
      #expect(notes == [note])
    }
    let black = png(width: 2, height: 2, format: 0, [0, 0, 0, 0])
    let other = png(width: 3, height: 2, format: 0, [0, 0, 0, 0, 0, 0])
    try withFolder(["a.png": black, "b.png": other]) { folder in
      let note = "\(folder): every value of its 2 images is 0, a constant; there is nothing to learn from them"
      let notes = try ImageFolder(path: folder, size: 2).notes
      #expect(notes == [note])
    }
  }
}
