import Diagnostics
import Foundation
import Tensors
import TestSupport
import Testing

/// Files of PyTorch's form that nobody would write by accident.
@Suite struct HostilePyTorchTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func open(_ zip: StoredZip) throws -> Result<PyTorchFile, InputError> {
    let path = try folder.file("model.bin", zip.bytes).path
    return Result { () throws(InputError) in try PyTorchFile(path: path) }
  }

  /// The error for an archive.
  private func error(_ zip: StoredZip) throws -> InputError? {
    guard case .failure(let error) = try open(zip) else { return nil }
    #expect(error.place.contains("model.bin") && !error.expected.isEmpty)
    return error
  }

  /// The error for a pickle, beside which there is a storage '0' of two floats.
  private func error(pickle: [UInt8]) throws -> InputError? { try error(archive(pickle)) }

  private func archive(_ pickle: [UInt8]) -> StoredZip {
    StoredZip(
      pickle: pickle,
      storages: [("0", [0, 0, 0x80, 0x3f, 0, 0, 0, 0x40])]
    )
  }

  private var valid: StoredZip { archive(Pickle.dictionary([("a", tensor())])) }

  private func tensor(
    _ shape: [Int] = [2],
    strides: [Int]? = nil,
    offset: Int = 0,
    key: String = "0",
    count: Int = 2
  ) -> [UInt8] {
    Pickle.tensor(key, shape, strides: strides, offset: offset, count: count)
  }

  private func values(_ zip: StoredZip) throws -> [Float] {
    let file = try open(zip).get()
    return try #require(file.tensors["a"]).view("a", in: file.file).floats()
  }

  // MARK: - The archive

  @Test func whatIsRightIsRead() throws {
    #expect(try values(valid) == [1, 2])
    var zip = valid
    zip.isZip64 = true
    #expect(try values(zip) == [1, 2])
    zip.comment = Array(repeating: 0x50, count: 65535)
    #expect(try values(zip) == [1, 2])
    // Numbers need not lie at multiples of their size.
    for padding in 1...4 {
      zip.entries[2].padding = padding
      #expect(try values(zip) == [1, 2])
    }
  }

  @Test func entriesThatLieAreRefused() throws {
    let changes: [(String, InputError.Kind, (inout StoredZip) -> Void)] = [
      ("compressed", .unsupported, { $0.entries[2].method = 8 }),
      ("encrypted", .unsupported, { $0.entries[2].flags = 1 }),
      ("too long", .malformed, { $0.entries[2].size = 100 }),
      ("beyond the end", .truncated, { $0.entries[2].size = 1 << 31 }),
      ("elsewhere", .truncated, { $0.entries[2].offset = 1 << 31 }),
      ("no header there", .malformed, { $0.entries[2].offset = 5 }),
      ("the place of another", .malformed, { $0.entries[2].offset = 0 }),
      ("another name", .malformed, { $0.entries[2].localName = "archive/data/1" }),
      ("twice", .malformed, { $0.entries.append($0.entries[2]) }),
      ("missing", .missing, { $0.entries.removeLast() }),
      ("no pickle", .malformed, { $0.entries.removeFirst() }),
      ("two pickles", .malformed, { $0.entries.append(.init("b/data.pkl", [])) }),
      ("big-endian", .unsupported, { $0.entries[1].content = Array("big".utf8) }),
      ("shorter storage", .malformed, { $0.entries[2].content.removeLast() }),
    ]
    for isZip64 in [false, true] {
      for (name, kind, change) in changes {
        var zip = valid
        zip.isZip64 = isZip64
        change(&zip)
        #expect(try error(zip)?.kind == kind, "\(name)")
      }
    }
    var zip = valid
    zip.isZip64 = true
    for size in [Int.max, 1 << 62, 1 << 40] {
      zip.entries[2].size = size
      #expect(try error(zip)?.kind == .truncated)
    }
  }

  @Test func overlappingEntriesAreRefused() throws {
    // An archive in the content of an entry, whose entry the outer table of contents lists as well.
    let inner = StoredZip([.init("archive/data/1", [1, 2, 3, 4])]).bytes
    var zip = valid
    let offset = zip.bytes.firstRange(of: Array("archive/data/0".utf8))?.lowerBound ?? 0
    zip.entries[2].content = inner
    var entry = StoredZip.Entry("archive/data/1", [1, 2, 3, 4])
    entry.offset = offset + "archive/data/0".utf8.count
    zip.entries.append(entry)
    #expect(try error(zip)?.kind == .malformed)
  }

  @Test func truncatedFilesAreRefused() throws {
    var zip = valid
    zip.isZip64 = true
    let bytes = zip.bytes
    for count in 0..<bytes.count {
      let path = try folder.file("model.bin", bytes.prefix(count)).path
      #expect(throws: InputError.self, "\(count)") { try PyTorchFile(path: path) }
    }
  }

  // MARK: - The pickle

  @Test(arguments: [
    ("os", "system"), ("builtins", "eval"), ("__builtin__", "exec"), ("posix", "system"),
    ("torch", "load"), ("torch.storage", "_load_from_bytes"), ("torch._utils", "_rebuild_tensor"),
    ("collections", "defaultdict"), ("torch", "QInt8Storage"), ("numpy", "ndarray"),
  ])
  func otherClassesAndFunctionsAreRefused(module: String, name: String) throws {
    let call =
      Pickle.global(module, name) + Pickle.tuple([Pickle.text("touch x")]) + Array("R".utf8)
    let error = try error(pickle: Pickle.dictionary([("a", call)]))
    #expect(error?.kind == .unsupported && error?.found == "'\(module).\(name)'")
  }

  @Test func otherInstructionsAreRefused() throws {
    let known = Set("\u{80}.NKMJXc})\u{85}\u{86}\u{87}t(qrhjsuQRb\u{88}\u{89}\u{8a}".unicodeScalars)
    for byte in UInt8.min...255 where !known.contains(Unicode.Scalar(byte)) {
      let error = try error(pickle: Pickle.program([byte, 0, 0, 0, 0]))
      #expect(error?.kind == .unsupported, "\(byte)")
    }
  }

  @Test func whatMakesNoSenseIsRefused() throws {
    let texts = [
      "", ".", "N", "Nq", "(", "t", "u", "s", "R", "b", "Q", "h\u{1}", "}u", "}(", "}(Nu", "}NNss",
      "NN", ")", "))R", "N}b", "ctorch\nFloatStorage\n)R", "ccollections\nOrderedDict\n",
      "ccollections\nOrderedDict\n(NtR", "(N)t", "c", "ctorch", "(}(NNt", "}(}u", "}q\u{1}h\u{1}",
    ]
    for text in texts {
      #expect(try error(pickle: Pickle.program(Array(text.utf8))) != nil, "\(text)")
    }
    for pickle in [[], [0x80], [0x80, 3], [0x80, 4, 0x2e], Array("(dp0\n.".utf8)] as [[UInt8]] {
      #expect(try error(pickle: pickle) != nil)
    }
    // Something behind the end.
    #expect(try error(pickle: Pickle.dictionary([]) + [0x2e]) != nil)
    #expect(try error(pickle: Pickle.dictionary([])) == nil)
  }

  @Test func pickleBombsAreRefused() throws {
    let many = 1 << 17
    func repeated(_ bytes: [UInt8]) -> [UInt8] { Array(repeatElement(bytes, count: many).joined()) }
    let bombs: [[UInt8]] = [
      repeated([0x28]),  // marks
      repeated([0x7d]),  // dictionaries
      [0x29] + repeated([0x85]),  // tuples in tuples
      // Tuples of two of the last tuple, which would take 2^n values.
      [0x29, 0x71, 0] + repeated([0x68, 0, 0x68, 0, 0x86, 0x71, 0]),
      [0x28] + repeated([0x4e]) + [0x74],  // a long tuple
      [0x7d] + repeated([0x71, 0, 0x68, 0]),  // a dictionary remembered and recalled
      [0x58, 0xff, 0xff, 0xff, 0xff],  // a long string
      [0x8a, 0xff], [0x8a, 9, 0, 0, 0, 0, 0, 0, 0, 0, 1],  // long integers
      Array(repeating: 0x4e, count: 1 << 25),  // more than a pickle may have
    ]
    for bomb in bombs { #expect(try error(pickle: Pickle.program(bomb)) != nil) }
    // A dictionary in itself is no tensor.
    let own: [UInt8] = [0x7d, 0x71, 0] + Pickle.text("a") + [0x68, 0, 0x73]
    #expect(try error(pickle: Pickle.program(own))?.kind == .unsupported)
    // Attributes of a dictionary tell nothing, whatever they are.
    let attributes = Pickle.dictionary([]).dropFirst(2).dropLast() + own + [0x62]
    #expect(try error(pickle: Pickle.program(Array(attributes))) == nil)
  }

  // MARK: - Tensors

  @Test func tensorsMustLieInTheirStorages() throws {
    let huge = 1 << 62
    let tensors: [(String, [UInt8])] = [
      ("too long", tensor([3])), ("offset", tensor([2], offset: 1)), ("before", tensor(offset: -1)),
      ("negative", tensor([-2])), ("overflow", tensor([huge, huge], strides: [1, 1])),
      ("overflow of an empty one", tensor([0, huge, huge], strides: [1, 1, 1])),
      ("far", tensor([1], offset: Int.max)), ("stride", tensor([2], strides: [2])),
      ("stride 0", tensor([2], strides: [0])), ("turned", tensor([1, 2], strides: [1, 2])),
      ("backwards", tensor([2], strides: [-1])), ("ranks", tensor([2], strides: [1, 1])),
      ("storage of another size", tensor([2], count: 3)), ("no size", tensor([], count: huge)),
      ("negative storage", tensor(count: -2)), ("no such storage", tensor(key: "1")),
      ("a path", tensor(key: "../data.pkl")), ("no tensor", Pickle.text("b")), ("None", [0x4e]),
    ]
    for (name, tensor) in tensors {
      let error = try error(pickle: Pickle.dictionary([("a", tensor)]))
      #expect(error != nil, "\(name)")
      if name != "ranks" { #expect(error?.place.contains("'a'") == true, "\(name)") }
    }
    for (shape, strides) in [
      ([2], [1]), ([1, 2], [7, 1]), ([2, 1], [1, 0]), ([0, 3], [9, 9]),
    ] {
      let tensor = tensor(shape, strides: strides)
      #expect(try error(pickle: Pickle.dictionary([("a", tensor)])) == nil)
    }
  }

  @Test func namesMustBeNamesAndDifferent() throws {
    let twice = Pickle.dictionary([("a", tensor()), ("a", tensor())])
    #expect(try error(pickle: twice)?.found == "it twice")
    let number = Pickle.program([0x7d] + Pickle.integer(1) + tensor() + [0x73])
    #expect(try error(pickle: number)?.found.contains("an integer") == true)
    let invalid = Pickle.program([0x7d, 0x58, 2, 0, 0, 0, 0xc3, 0x28] + tensor() + [0x73])
    #expect(try error(pickle: invalid)?.kind == .unsupported)
  }
}
