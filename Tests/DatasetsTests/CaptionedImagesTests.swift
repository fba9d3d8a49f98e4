// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Testing

@Suite struct CaptionedImagesTests {
  private static func options(_ size: Int, _ heldOut: HeldOut = .share(1.0 / 6)) -> ImageFolder.Options {
    var options = ImageFolder.Options(size: size)
    (options.heldOut, options.flip) = (heldOut, false)
    return options
  }

  private static func texts(_ conditions: Conditions) -> [String] {
    guard case .texts(let texts) = conditions else { return [] }
    return texts
  }

  @Test func everyCaptionIsARowOfItsImage() throws {
    let files: [String: [UInt8]] = [
      "captions.csv": Array(
        "note,caption,file\nx,\"a cat, asleep\",c/1.png\ny,,b.png\nz,a dog,c/1.png\nw,a bird,a.png\n".utf8),
      "a.png": taggedPNG(1, height: 2, width: 2), "b.png": taggedPNG(2, height: 2, width: 2),
      "c/1.png": taggedPNG(3, height: 4, width: 4), "d.png": taggedPNG(4, height: 2, width: 2),
    ]
    try withFolder(files) { folder in
      let images = try CaptionedImages(path: folder, Self.options(2))
      #expect(images.dimension == 12 && images.conditionShape == .text && images.levels?.levels == 256)
      #expect(images.notes.count == 2 && images.notes[0].contains("1 .png files") && images.notes[0].contains("d.png"))
      #expect(images.notes[1].contains("1 of 4 captions"))
      for seed in 1...8 as ClosedRange<UInt64> {
        let data = try images.load(seed: seed)
        // All captions of an image are on one side; of three images one judges, drawn by the seed.
        let judge = HeldOut.split(count: 3, seed: seed).heldOut
        let captions = [["a cat, asleep", "a dog"], [""], ["a bird"]]
        let tags = [[3, 3], [2], [1]]
        #expect(Self.texts(data.heldOutConditions) == judge.flatMap { captions[$0] })
        #expect((0..<data.heldOut.count).map { pixels(data.heldOut.row($0))[0] } == judge.flatMap { tags[$0] })
        let others = Self.texts(data.trainingConditions)
        #expect(others.count + data.heldOut.count == 4 && data.source.count == others.count)
        for (row, text) in others.enumerated() {
          let image = captions.firstIndex { $0.contains(text) } ?? -1
          // Of the larger image the middle in tables, and a crop at the uniforms in training.
          let table = pixels(data.training.row(row))
          #expect(table[0] == tags[image][0] && Array(table[1...2]) == (image == 0 ? [1, 1] : [0, 0]))
          let last = data.source.row(row, SIMD3(0.99, 0.99, 0.1)).map { Int((($0 + 1) * 127.5).rounded()) }
          #expect(last[0] == tags[image][0] && Array(last[1...2]) == (image == 0 ? [2, 2] : [0, 0]))
        }
      }
    }
  }

  @Test func anotherFolderJudges() throws {
    let files: [String: [UInt8]] = [
      "t/captions.csv": Array("file,caption\na.png,one\n".utf8), "t/a.png": taggedPNG(1, height: 2, width: 2),
      "h/captions.csv": Array("\u{FEFF}caption,file\r\ntwo,b.png\r\n".utf8),
      "h/b.png": taggedPNG(2, height: 2, width: 2),
    ]
    try withFolder(files) { folder in
      let images = try CaptionedImages(path: folder + "/t", Self.options(2, .file(folder + "/h")))
      let data = try images.load(seed: 1)
      #expect(Self.texts(data.trainingConditions) == ["one"] && Self.texts(data.heldOutConditions) == ["two"])
      #expect(pixels(data.heldOut.row(0))[0] == 2)
      // A caption that changes is other data.
      try withFolder(files.merging(["t/captions.csv": Array("file,caption\na.png,ones\n".utf8)]) { $1 }) { other in
        let changed = try CaptionedImages(path: other + "/t", Self.options(2, .file(other + "/h")))
        #expect(changed.fingerprint != images.fingerprint)
      }
    }
  }

  /// What is wrong with a folder, and what the error says: the line, what was found, what is allowed.
  private static let wrong: [(captions: String?, says: [String])] = [
    (nil, ["captions.csv", "no such file"]),
    ("", ["captions.csv: is empty"]),
    ("file,caption\n", ["captions.csv: has a header and no captions"]),
    ("file,text\na.png,x\n", ["captions.csv:1", "no column 'caption'", "file, text"]),
    ("file,caption,file\na.png,x,b.png\n", ["captions.csv:1", "more than one column 'file'"]),
    ("file,caption\na.png,x\nb.png,a, b\n", ["captions.csv:3", "3 values in this row, 2 in the first", "quotes"]),
    ("file,caption\na.png,x\nb.png\n", ["captions.csv:3", "1 values in this row"]),
    ("file,caption\na.png,x\n,y\n", ["captions.csv:3", "nothing in column file"]),
    ("file,caption\na.png,x\n\nmissing.png,y\n", ["captions.csv:4", "'missing.png'", "no such file"]),
    ("file,caption\na.png,x\n../a.png,y\n", ["captions.csv:3", "leads out of the folder"]),
    ("file,caption\na.png,x\n/etc/passwd,y\n", ["captions.csv:3", "leads out of the folder"]),
    ("file,caption\na.png,x\nsub,y\n", ["captions.csv:3", "'sub'", "is a folder"]),
    ("file,caption\na.png,x\nnote.txt,y\n", ["captions.csv:3", "'note.txt'", "cannot be read as PNG"]),
    ("file,caption\na.png,x\nsmall.png,y\n", ["captions.csv:3", "is 1 × 1 pixels", "2 × 2 or more"]),
    ("file,caption\na.png,\"x\nb.png,y\n", ["captions.csv:2", "never closed"]),
    ("file,caption\na.png,x\na.png,y\n", ["captions of 1 image", "2 or more"]),
  ]

  @Test("a folder that is wrong says where", arguments: wrong.indices) func errors(index: Int) throws {
    let (captions, says) = Self.wrong[index]
    var files: [String: [UInt8]] = [
      "a.png": taggedPNG(1, height: 2, width: 2), "b.png": taggedPNG(2, height: 2, width: 2),
      "small.png": taggedPNG(3, height: 1, width: 1), "note.txt": Array("hello, who is there?".utf8), "sub/x": [1],
    ]
    if let captions { files["captions.csv"] = Array(captions.utf8) }
    try withFolder(files) { folder in
      let error = #expect(throws: InputError.self) { try CaptionedImages(path: folder, Self.options(2)) }
      let message = error?.description ?? ""
      for part in says { #expect(message.contains(part), "\(message)") }
      #expect(!message.contains("\n"))
    }
  }
}
