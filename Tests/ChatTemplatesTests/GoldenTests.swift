import ChatTemplates
import Testing

/// Everything is rendered, and refused, as Hugging Face transformers does.
@Suite struct GoldenTests {
  @Test func constructs() throws {
    let golden = try Golden.read()
    let variables = golden["variables"]?.members ?? [:]
    let cases = golden["constructs"]?.items ?? []
    #expect(cases.count > 500)
    for one in cases {
      let source = try #require(one["template"]?.text)
      let text = try Golden.render(source, variables: variables)
      #expect(isSame(text, one["text"]?.text), "\(source)")
    }
  }

  /// Templates in the formats of Qwen2, Qwen3, Mixtral, OLMoE, DeepSeek, gpt-oss and Llama 3.
  @Test func families() throws {
    let golden = try Golden.read()
    let cases = golden["families"]?.items ?? []
    #expect(cases.count > 700)
    for one in cases {
      let name = try #require(one["template"]?.text)
      let conversation = try #require(one["conversation"]?.text)
      let text = try Golden.render(
        Golden.template(name),
        golden["conversations"]?[conversation]?.messages ?? [],
        generation: one["generation"] == true,
        tools: one["tools"] == true ? golden["tools"]?.items : nil,
        variables: (golden["tokens"]?.members ?? [:]).merging(one["options"]?.members ?? [:]) { $1 }
      )
      #expect(isSame(text, one["text"]?.text), "\(name), \(conversation)")
    }
  }

  /// Whether both are the same scalars; `==` of texts is laxer.
  private func isSame(_ left: String?, _ right: String?) -> Bool {
    left.map { Array($0.utf8) } == right.map { Array($0.utf8) }
  }
}
