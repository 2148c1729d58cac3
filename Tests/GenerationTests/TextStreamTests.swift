import Diagnostics
import Generation
import Tensors
import TestSupport
import Testing
import Tokenization

/// Text with stop strings.
@Suite struct TextStreamTests {
  let tokenizer: Tokenizer

  init() throws { tokenizer = try Tokenizer(folder: Fixtures.qwenMini) }

  /// The pieces in which the text of `ids` appears.
  private func pieces(_ ids: [Int], _ stops: [String]) throws -> (pieces: [String], TextStream) {
    var stream = try TextStream(tokenizer, stops: stops)
    var pieces = ids.map { stream.append($0) }
    pieces.append(stream.finish())
    #expect(pieces.joined() == stream.text)
    return (pieces, stream)
  }

  /// Ids of `text`, one for each character, so that everything falls between tokens.
  private func characters(_ text: String) -> [Int] {
    text.flatMap { tokenizer.encode(String($0), addingSpecialTokens: false) }
  }

  @Test func withoutStopStringsNothingIsHeldBack() throws {
    let (pieces, stream) = try pieces(characters("stop"), [])
    #expect(pieces == ["s", "t", "o", "p", ""] && !stream.isStopped)
  }

  @Test func whatMayBeginAStopStringIsHeldBack() throws {
    let (shown, stream) = try pieces(characters("xababac"), ["abac"])
    #expect(shown == ["x", "", "", "", "ab", "", "", ""])
    #expect(stream.isStopped && stream.text == "xab")
    let (unstopped, rest) = try pieces(characters("xabad aba"), ["abac"])
    #expect(unstopped == ["x", "", "", "", "abad", " ", "", "", "", "aba"])
    #expect(!rest.isStopped && rest.text == "xabad aba")
  }

  @Test func stopStringsWithinOneTokenAndAcrossSome() throws {
    let text = "The function returns something else"
    let ids = tokenizer.encode(text, addingSpecialTokens: false)
    #expect(ids.count < 20)
    for stop in ["unct", "tion ret", "The", "e", " ", "urns something e", "something else"] {
      let (_, stream) = try pieces(ids, ["never", stop])
      let end = try #require(text.range(of: stop)).lowerBound
      #expect(stream.isStopped && stream.text == text[..<end])
    }
  }

  @Test func theFirstThatIsCompleteEndsTheText() throws {
    for stops in [["abcd", "c"], ["c", "abcd"]] {
      #expect(try pieces(characters("xabcd"), stops).1.text == "xab")
    }
    #expect(try pieces(characters("xabcd"), ["d", "bcd", "cd"]).1.text == "xa")
  }

  @Test func nothingAppearsAfterTheEnd() throws {
    var (_, stream) = try pieces(characters("a."), ["."])
    #expect(stream.append(characters("b")[0]) == "" && stream.finish() == "" && stream.text == "a")
  }

  @Test func aSpecialTokenMayEndTheText() throws {
    let end = try #require(tokenizer.id(of: "<|im_end|>"))
    let (_, stream) = try pieces(characters("ab") + [end] + characters("c"), ["<|im_end|>"])
    #expect(stream.isStopped && stream.text == "ab")
    #expect(try pieces(characters("ab") + [end] + characters("c"), []).1.text == "abc")
  }

  @Test func anEmptyStopStringIsRefused() {
    #expect(throws: InputError.self) { try TextStream(tokenizer, stops: ["a", ""]) }
  }

  /// Whatever tokens make up a text, it ends at the same place, and no piece breaks a character.
  @Test func tokensMakeNoDifference() throws {
    let text = "né🙂 ab ¿qué? 🙂🙂 aab"
    for stop in ["🙂", "🙂🙂", "aab", "qué? ", "zz"] {
      let (_, whole) = try pieces(tokenizer.encode(text, addingSpecialTokens: false), [stop])
      let end = text.range(of: stop)?.lowerBound ?? text.endIndex
      #expect(whole.text == text[..<end])
    }
  }
}
