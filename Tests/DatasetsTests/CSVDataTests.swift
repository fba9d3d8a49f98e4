// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Foundation
import Testing

/// Tables as sources of data: columns, conditions, images, held-out rows, and files beside the data's.
@Suite struct CSVDataTests {
  private func lines(_ rows: some Sequence<String>) -> String { rows.map { $0 + "\n" }.joined() }

  @Test func aShareOfTheRowsIsHeldOut() throws {
    let source = try withTable(lines((5..<18).map { "\($0)" })) { try CSVData(path: $0) }
    let data = try source.load(seed: 1)
    #expect(data.heldOut.count == 2 && data.training.count == 11 && source.dimension == 1)
    #expect((data.training.values + data.heldOut.values).sorted() == (5..<18).map(Double.init))
    #expect(try source.load(seed: 2).heldOut.values != data.heldOut.values)
    let half = try withTable(lines((5..<18).map { "\($0)" })) { try CSVData(path: $0, heldOut: .share(0.5)) }
    #expect(try half.load(seed: 1).heldOut.count == 7)
  }

  /// Rows that alternate: every sixth would be of one kind. Of two classes, each has its share.
  @Test func theOrderOfRowsDoesNotMatter() throws {
    let text = lines((0..<120).map { "\($0 % 2 == 0 ? 2 : -2)" })
    let source = try withTable(text) { try CSVData(path: $0) }
    let heldOut = try source.load(seed: 1).heldOut.values
    // 20 of 120, half of each, with a deviation of √(20/4 · 100/119) = 2.05.
    #expect(heldOut.count == 20 && abs(heldOut.filter { $0 == 2 }.count - 10) < 9)
    let labelled = lines(["x,class"] + (0..<120).map { "\($0),\($0 % 2)" })
    let classes = try withTable(labelled) {
      try CSVData(path: $0, columns: TableColumns(conditions: .label("class")))
    }
    let labels = try #require(classes.load(seed: 1).heldOutConditions.listedClasses)
    #expect(labels.filter { $0 == 0 }.count == 10 && labels.count == 20)
  }

  @Test func aFileOfItsOwnIsHeldOut() throws {
    try withFolder([
      "train.csv": Array("x,y,c\n1,2,0\n3,4,1\n".utf8), "test.csv": Array("y;x;c\n6;5;3\n".utf8),
      "short.csv": Array("5\n".utf8), "plain.csv": Array("5,6\n".utf8), "one.csv": Array("x,y,c\n1,2,0\n".utf8),
    ]) { folder in
      let columns = TableColumns(conditions: .label("c"))
      let source = try CSVData(
        path: "\(folder)/train.csv", columns: columns, heldOut: .file("\(folder)/test.csv"))
      let data = try source.load(seed: 1)
      // Columns are found by their names, in whatever order they stand.
      #expect(data.training.values == [1, 2, 3, 4] && data.heldOut.values == [5, 6])
      #expect(data.heldOutConditions == .labels([3]) && source.conditionShape == .classes(4))
      for name in ["short.csv", "plain.csv"] {
        let error = #expect(throws: InputError.self) {
          try CSVData(path: "\(folder)/train.csv", columns: columns, heldOut: .file("\(folder)/\(name)"))
        }
        #expect(error?.location == "\(folder)/\(name)")
      }
      let one = try CSVData(path: "\(folder)/one.csv", columns: columns, heldOut: .file("\(folder)/test.csv"))
      #expect(try one.load(seed: 1).training.count == 1 && one.fingerprint != source.fingerprint)
      #expect(throws: InputError.self) { try CSVData(path: "\(folder)/one.csv", columns: columns) }
    }
  }

  // MARK: Columns

  static let flowers =
    "id,species,length,width,kind\n1,setosa,5,3,0\n2,setosa,6,4,0\n3,virginica,7,5,1\n4,other,8,6,1\n"

  @Test(arguments: [
    (TableColumns(drop: ["species"], conditions: .label("kind")), [1, 5, 3, 2, 6, 4, 3, 7, 5, 4, 8, 6]),
    (TableColumns(columns: ["width", "length"]), [3, 5, 4, 6, 5, 7, 6, 8]),
    (TableColumns(columns: ["2", "0"], conditions: .text("species")), [5, 1, 6, 2, 7, 3, 8, 4]),
    (TableColumns(drop: ["0", "species", "kind"]), [5, 3, 6, 4, 7, 5, 8, 6]),
    (TableColumns(columns: ["length"], conditions: .numbers(["kind", "id"])), [5, 6, 7, 8]),
  ])
  func columnsAreTakenAndDropped(_ columns: TableColumns, _ values: [Double]) throws {
    let source = try withTable(Self.flowers) { try CSVData(path: $0, columns: columns) }
    let data = try source.load(seed: 1)
    let all = data.training.values + data.heldOut.values
    #expect(all.sorted() == values.sorted() && source.dimension == values.count / 4)
    let rows = [data.training, data.heldOut].flatMap { part in (0..<part.count).map { Array(part.row($0)) } }
    #expect(rows.contains(Array(values.prefix(source.dimension))))
  }

  @Test(arguments: [
    (TableColumns(drop: ["specie"]), "has no column 'specie'"),
    (TableColumns(columns: ["length", "2"]), "named twice"),
    (TableColumns(columns: ["length"], conditions: .label("length")), "named twice"),
    (TableColumns(drop: ["id", "species", "length", "width", "kind"]), "no column is left"),
    (TableColumns(columns: ["5"]), "has no column '5'"), (TableColumns(), "'setosa' in column 2 (species)"),
    (TableColumns(drop: ["species"], conditions: .text("species")), "named twice"),
  ])
  func columnsThatAreNotThereAreRefused(_ columns: TableColumns, _ says: String) throws {
    try withTable(Self.flowers) { path in
      let error = #expect(throws: InputError.self) { try CSVData(path: path, columns: columns) }
      #expect(error?.message.contains(says) == true)
    }
  }

  @Test func whatLooksOddIsSaid() throws {
    func notes(_ text: String, _ columns: TableColumns = TableColumns()) throws -> [String] {
      try withTable(text) { path in
        try CSVData(path: path, columns: columns).notes.map { $0.replacingOccurrences(of: path, with: "F") }
      }
    }
    let index = try notes(",x,y\n0,5,2\n1,6,3\n2,7,1\n")
    #expect(index == ["F: column 1 counts its rows, as an index does, and is read as data; drop: [0] leaves that out"])
    #expect(try notes(",x,y\n0,5,2\n1,6,3\n2,7,1\n", TableColumns(drop: ["0"])).isEmpty)
    let named = try notes("id,x\n1,5\n2,6\n3,4\n")
    #expect(named.count == 1 && named[0].contains("column 1 (id) counts") && named[0].contains("drop: [id]"))
    // pandas' index after rows were left out.
    let filtered = try notes(",x\n4,5\n9,6\n2,4\n")
    #expect(filtered.count == 1 && filtered[0].contains("column 1 has no name"))
    #expect(try notes("Unnamed: 0,x\n4,5\n9,6\n2,4\n").count == 1)
    let constant = try notes("x,y\n1,5\n2,5\n4,5\n")
    #expect(constant.count == 1 && constant[0].contains("column 2 (y) is constant; drop: [y]"))
    let counting = try notes("0,1\n5,6\n7,9\n3,3\n")
    #expect(counting.count == 1 && counting[0].hasPrefix("F:1: the numbers 0, 1 are read as a header"))
    #expect(try notes("x,y\n1,5\n2,6\n4,7\n").isEmpty)
  }

  // MARK: Conditions

  @Test func aColumnOfClassesBecomesTheConditions() throws {
    let text = lines(["x,class"] + (0..<7).map { "\(10 * $0),\($0 % 3)" })
    for name in ["class", "1"] {
      let source = try withTable(text) { try CSVData(path: $0, columns: TableColumns(conditions: .label(name))) }
      let data = try source.load(seed: 1)
      #expect(source.dimension == 1 && source.conditionShape == .classes(3))
      // One of each class judges; every row has its own class still.
      let (values, classes) = (data.training.values, try #require(data.trainingConditions.listedClasses))
      #expect(
        classes == values.map { Int($0 / 10) % 3 } && Set(data.heldOutConditions.listedClasses ?? []) == [0, 1, 2])
    }
  }

  @Test func columnsOfNumbersAndOfTextBecomeTheConditions() throws {
    let text = lines(["p,x,q,words"] + (0..<6).map { "\($0),\(10 * $0),\(-$0),w \($0)" })
    let texts = try withTable(text) { try CSVData(path: $0, columns: TableColumns(conditions: .text("words"))) }
    #expect(texts.dimension == 3 && texts.conditionShape == .text)
    let judged = try texts.load(seed: 1)
    #expect(judged.heldOutConditions == .texts(["w \(Int(judged.heldOut[0, 0]))"]))
    try withTable(lines(["p,x,q"] + (0..<6).map { "\($0),\(10 * $0),\(-$0)" })) { path in
      func source(_ names: [String]) throws -> CSVData {
        try CSVData(path: path, columns: TableColumns(conditions: .numbers(names)))
      }
      let numbers = try source(["q", "0"])
      let data = try numbers.load(seed: 1)
      #expect(numbers.dimension == 1 && numbers.conditionShape == .numbers(2))
      let x = data.training[2, 0] / 10
      #expect(data.trainingConditions[2] == .numbers([-x, x]))
      #expect(throws: InputError("column '2' is named twice", at: path)) { try source(["q", "2"]) }
      #expect(throws: InputError("no column is left for the data", at: path)) { try source(["0", "1", "2"]) }
    }
  }

  @Test(arguments: ["-1", "0.5", "1000000"]) func whatIsNoClassIsNamedByItsLine(_ bad: String) throws {
    let text = lines(["x,class"] + (0..<6).map { "\($0),\($0 == 3 ? bad : "1")" })
    try withTable(text) { path in
      let error = #expect(throws: InputError.self) {
        try CSVData(path: path, columns: TableColumns(conditions: .label("class")))
      }
      #expect(error?.location == "\(path):5" && error?.message.contains("allowed: whole numbers from 0") == true)
    }
  }

  @Test func conditionsOfRowsAreReadFromAFile() throws {
    try withTable("class\n2\n0\n") { path in
      let labels = try Conditions(reading: path, as: .classes(3))
      #expect(labels == .labels([2, 0]))
      #expect(throws: InputError("class 2; allowed: whole numbers below 2", at: "\(path):2")) {
        try Conditions(reading: path, as: .classes(2))
      }
      #expect(throws: InputError("rows of 1 values; a condition has 2", at: path)) {
        try Conditions(reading: path, as: .numbers(2))
      }
    }
    // A line for each row: here whole numbers are never a header.
    let classes = try withTable("0\n1\n2\n") { try Conditions(reading: $0, as: .classes(3)) }
    #expect(classes == .labels([0, 1, 2]))
    let numbers = try withTable("0,1\n3,4\n") { try Conditions(reading: $0, as: .numbers(2)) }
    #expect(numbers == .numbers(Batch(rows: [[0, 1], [3, 4]])))
    let texts = try withTable("a cat\n\"a dog, a hat\"\n\"\"\n") { try Conditions(reading: $0, as: .text) }
    #expect(texts == .texts(["a cat", "a dog, a hat", ""]))
    try withTable("a cat\n\na dog\n") { path in
      let error = #expect(throws: InputError.self) { try Conditions(reading: path, as: .text) }
      #expect(error?.location == "\(path):2")
    }
  }

  // MARK: Images

  @Test func shapesMustFit() throws {
    try withTable(String(repeating: "1,0.2,-1,0\n", count: 6)) { path in
      let images = try CSVData(path: path, shape: ImageShape(height: 2, width: 2, channels: 1))
      #expect(images.imageShape?.count == 4 && images.levels == nil && images.notes.isEmpty)
      #expect(throws: InputError.self) { try CSVData(path: path, shape: ImageShape(height: 2, width: 3, channels: 1)) }
    }
  }

  @Test func bytesOfImagesNeedARange() throws {
    let shape = ImageShape(height: 1, width: 2, channels: 1)
    try withTable("a,b\n0,1\n255,51\n0,0\n") { path in
      let error = #expect(throws: InputError.self) { try CSVData(path: path, shape: shape) }
      #expect(error?.location == "\(path):3" && error?.message.contains("range: [low, high]") == true)
      let source = try CSVData(path: path, shape: shape, range: 0...255)
      let data = try source.load(seed: 1)
      let all = (data.training.values + data.heldOut.values).sorted()
      for (found, byte) in zip(all, [0.0, 0, 0, 1, 51, 255]) { #expect(abs(found - (byte / 127.5 - 1)) < 1e-15) }
      #expect(source.levels == Quantisation(levels: 256, low: -1, high: 1))
      let narrow = #expect(throws: InputError.self) { try CSVData(path: path, shape: shape, range: 0...100) }
      #expect(narrow?.location == "\(path):3" && narrow?.message.contains("the range is 0") == true)
      // Files beside it are in its units; states of the process are in those of samples.
      let given = try source.readRows(path, dimension: 2, areStates: false)
      #expect(given.rows[1, 0] == 1 && given.rows[0, 0] == -1)
      #expect(try source.readRows(path, dimension: 2, areStates: true).rows[1, 0] == 255)
    }
    let fractions = try withTable("a,b\n0,0.5\n1,0.25\n") { try CSVData(path: $0, shape: shape, range: 0...1) }
    #expect(fractions.levels == nil)
  }

  // MARK: Files beside the data's

  @Test func inputIsReadByTheSameRules() throws {
    try withFolder([
      "data.csv": Array(Self.flowers.utf8),
      "same.csv": Array("species;kind;width;length;id\nx;1;3,5;5;9\n".utf8),
      "bare.csv": Array("5,3.5\n".utf8), "own.csv": Array("x0,x1\n5,3.5\n".utf8),
      "numbers.csv": Array("7,setosa,5,3.5,1\n".utf8), "more.csv": Array("length,width,z\n5,3.5,1\n".utf8),
      "wide.csv": Array("1,2,3\n".utf8), "gap.csv": Array("length,width\n5,\n".utf8),
      "codes.csv": Array("x0,kind,x1\n5,1,3.5\n".utf8),
      "names.csv": Array("a,b,c,d,e\n7,2,5,3.5,1\n".utf8),
    ]) { folder in
      let columns = TableColumns(drop: ["id", "species"], conditions: .label("kind"))
      let source = try CSVData(path: "\(folder)/data.csv", columns: columns)
      func read(_ name: String) throws -> GivenRows {
        try source.readRows("\(folder)/\(name).csv", dimension: 2, areStates: false)
      }
      for name in ["same", "bare", "own", "numbers", "codes"] {
        let given = try read(name)
        #expect(given.rows == Batch(rows: [[5, 3.5]]), "\(name)")
        #expect(given.conditions == (["same", "numbers", "codes"].contains(name) ? .labels([1]) : .nothing))
      }
      #expect(try read("same").notes.count == 1)
      #expect(try read("wide").rows.dimension == 3)
      for (name, says) in [("more", "a column 'z'"), ("gap", "nothing in column 2"), ("names", "its columns are a, b")]
      {
        let error = #expect(throws: InputError.self) { try read(name) }
        #expect(error?.message.contains(says) == true, "\(name)")
      }
    }
  }

  /// What the first line of a file beside the data's is, where nobody could know: what it is in the data's file.
  @Test func theHeaderOfInputFollowsTheData() throws {
    try withFolder([
      "years.csv": Array("2020,2021\n5,6\n7,8\n".utf8), "plain.csv": Array("5,6\n7,8\n".utf8),
      "counts.csv": Array("0,1\n5,6\n7,8\n".utf8), "line.csv": Array("0\n5\n7\n".utf8),
    ]) { folder in
      func count(_ data: String, _ input: String, _ header: TableFormat.Header) throws -> Int {
        let source = try CSVData(path: "\(folder)/\(data).csv", format: TableFormat(header: header))
        return try source.readRows("\(folder)/\(input).csv", dimension: source.dimension, areStates: false).rows.count
      }
      #expect(try count("years", "years", .yes) == 2 && count("years", "plain", .yes) == 2)
      #expect(try count("counts", "counts", .no) == 3 && count("counts", "counts", .auto) == 2)
      #expect(try count("line", "line", .auto) == 2 && count("line", "line", .no) == 3)
      // Points of other data: a single 0 is a point.
      let line = try NoData(dimension: 1).readRows("\(folder)/line.csv", dimension: 1, areStates: false)
      #expect(line.rows.values == [0, 5, 7])
      let plane = try NoData(dimension: 2).readRows("\(folder)/counts.csv", dimension: 2, areStates: false)
      #expect(plane.rows.count == 2 && plane.notes.count == 1)
    }
  }

  @Test func noDataHasNoRows() throws {
    let source = NoData(dimension: 4, shape: ImageShape(height: 2, width: 2, channels: 1))
    let data = try source.load(seed: 1)
    #expect(!source.hasRows && data.training.count == 0 && data.heldOut.count == 0 && data.heldOut.dimension == 4)
  }
}
