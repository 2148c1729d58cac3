import ChatTemplates
import Diagnostics
import Foundation
import Testing

/// Templates that cannot be run, or should not, are refused with a reason.
@Suite struct BadTemplateTests {
  private func error(_ source: String, _ messages: [ChatMessage] = []) -> InputError? {
    do {
      _ = try ChatTemplate(source, place: "t").render(messages: messages)
      return nil
    } catch {
      return error
    }
  }

  @Test func unknownConstructs() {
    let cases = [
      ("\n{{ 1 | wordwrap }}", 2, "filter 'wordwrap'"),
      ("{% include 'x' %}", 1, "tag 'include'"),
      ("\n\n{% block x %}{% endblock %}", 3, "tag 'block'"),
      ("{{ 1 is prime }}", 1, "test 'prime'"),
      ("{# a\nb #}{{ 'x'.swapcase() }}", 2, "method of str 'swapcase'"),
      ("{{ strftime_now('%G') }}", 1, "conversion of a date '%G'"),
      ("{{ '%5.2f' % 1 }}", 1, "conversion '%5'"),
      ("{{ '{:>3}'.format(1) }}", 1, "format '{:>3}'"),
      ("{{ '\\N{DASH}' }}", 1, "escape '\\N'"),
      ("{{ 'a' | safe + 'b' }}", 1, "operator on the filter 'safe'"),
      ("{{ [1] | join(on='x') }}", 1, "argument of 'join' 'on'"),
    ]
    for (source, line, found) in cases {
      let error = error(source)
      #expect(error?.kind == .unsupported, "\(source)")
      #expect(error?.place == "t, line \(line)", "\(source)")
      #expect(error?.found == found, "\(source)")
    }
  }

  @Test func messages() {
    let refusal = error(
      "{% if messages %}\n{{ raise_exception('No ' ~ messages[0].role) }}{% endif %}",
      [ChatMessage(role: "user", content: "x")]
    )
    #expect(refusal?.found == "its error: No user")
    #expect(refusal?.place == "t, line 2")
    #expect(error("\n{{ nothing.more }}")?.description.contains("line 2") == true)
    #expect(error("{{ nothing.more }}")?.found == "'nothing' is undefined")
    #expect(error("{% if x %}")?.kind == .truncated)
    #expect(error("{{ '\\ud800' }}")?.kind == .malformed)
  }

  /// Nothing runs for long, fills the memory or the stack.
  @Test func limits() {
    let growing =
      "{% set ns = namespace(v='aaaaaaaaaaaaaaaa') %}{% for i in range(60) %}{% set ns.v = ns.v + ns.v %}{% endfor %}"
    let nested =
      "{% set ns = namespace(v=[]) %}{% for i in range(90000) %}{% set ns.v = [ns.v] %}{% endfor %}"
    let wide =
      "{% set ns = namespace(v=[1]) %}{% for i in range(60) %}{% set ns.v = [ns.v, ns.v] %}{% endfor %}"
    let cases = [
      "{% for a in range(90000) %}{% for b in range(90000) %}{% endfor %}{% endfor %}",
      "{% for a in range(90000) %}{{ 'x' * 2000 }}{% endfor %}",
      "{{ range(1000000000000) }}", "{{ range(-9223372036854775807, 9223372036854775807) }}",
      "{{ 'x' * 10000000000 }}", "{{ [1] * 9223372036854775807 }}",
      growing, growing.replacingOccurrences(of: "'aaaaaaaaaaaaaaaa'", with: "[1]"), nested,
      wide + "{{ ns.v }}", wide + "{{ ns.v | tojson }}", wide + "{{ ns.v == [ns.v[0], 1] }}",
      "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
      "{% macro f(x) %}{{ x | map('string') | list }}{{ f([x]) }}{% endmacro %}{{ f(1) }}",
      "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}",
      String(repeating: "{% if 1 %}", count: 10000), "{{ " + String(repeating: "(", count: 100_000),
      "{{ " + String(repeating: "[", count: 10000), "{{ " + String(repeating: "not ", count: 10000),
      "{{ " + String(repeating: "-", count: 10000) + "1 }}",
      "{{ 1" + String(repeating: "+1", count: 10000) + " }}",
      "{{ 1" + String(repeating: " if 1", count: 10000) + " }}",
      "{{ x" + String(repeating: ".x", count: 10000) + " }}",
      "{{ x" + String(repeating: "|list", count: 10000) + " }}",
      "{{ 9223372036854775807 + 1 }}", "{{ 2 ** 63 }}", "{{ 3 ** 9223372036854775807 }}",
      "{{ (-9223372036854775807 - 1) // -1 }}", "{{ -(-9223372036854775807 - 1) }}",
      "{{ (-9223372036854775807 - 1) | abs }}", "{{ 1e300 | int }}", "{{ 'x' | indent(10 ** 18) }}",
      "{{ 'x'.ljust(10 ** 18) }}", "{{ [1] | tojson(indent=10 ** 18) }}", "{{ 'abc'[::0] }}",
      "{{ 1.5 | round(10 ** 18) }}", "{{ '1' | int(0, 99) }}",
    ]
    for source in cases { #expect(error(source) != nil, "\(source.prefix(80))") }
  }

  /// Large numbers are no trap where the answer is not out of range.
  @Test func extremes() throws {
    let least = "(-9223372036854775807 - 1)"
    let cases = [
      ("{{ \(least) % -1 }}", "0"), ("{{ 'abc'[\(least):9223372036854775807] }}", "abc"),
      ("{{ 'abc'[::\(least)] }}", "c"), ("{{ 'abc'[::9223372036854775807] }}", "a"),
      ("{{ 'abc'[\(least)] }}", ""), ("{{ [1][9223372036854775807] }}", ""),
      ("{{ range(1, 9223372036854775807, 9223372036854775806) | list }}", "[1]"),
      ("{{ (-1) ** 9223372036854775807 }}", "-1"),
      ("{{ 'ab'.replace('', '-', \(least)) }}", "-a-b-"),
      ("{{ 'a b'.split(none, \(least)) }}", "['a', 'b']"), ("{{ 'abc'.find('c', \(least)) }}", "2"),
      ("{{ 'abc'.startswith('a', 9223372036854775807) }}", "False"),
    ]
    for (source, text) in cases {
      #expect(try ChatTemplate(source, place: "t").render(messages: []) == text, "\(source)")
    }
  }

  /// What holds itself can be made and is let go.
  @Test func cycles() throws {
    let source =
      "{% set ns = namespace() %}{% set ns.me = ns %}{% set ns.list = [ns] %}{{ ns.me.me.list | length }}"
    #expect(try ChatTemplate(source, place: "t").render(messages: []) == "1")
    #expect(error("{% set ns = namespace() %}{% set ns.me = [ns] %}{{ ns.me }}") != nil)
    #expect(error("{% set ns = namespace() %}{% set ns.me = [ns] %}{{ ns.me | tojson }}") != nil)
  }
}
