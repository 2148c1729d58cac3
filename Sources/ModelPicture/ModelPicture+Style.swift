extension ModelPicture {
  /// The CSS that `figures` needs; all of it is about what is in `.picture`.
  public static var style: String {
    """
    .picture {
      --ink: #1b2330; --faint: #5d6675; --line: #dfe3ea; --card: #ffffff;
      --blue: #1f63b5; --orange: #c2560c; --green: #1c7a55; --purple: #8b4a9c; --red: #b3263a; --gray: #7b8494;
      --sky: #5aa2e0; --sand: #d9a441;
      color: var(--ink); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
      font-variant-numeric: tabular-nums; overflow-wrap: anywhere;
    }
    @media (prefers-color-scheme: dark) {
      .picture {
        --ink: #e6e9ef; --faint: #9aa4b4; --line: #313a48; --card: #1a2029;
        --blue: #6cb0ff; --orange: #ff9a52; --green: #56c79a; --purple: #c792d9; --red: #ff7a86; --gray: #8f99a8;
        --sky: #3f7fbd; --sand: #e2b65c;
      }
    }
    .picture *, .picture *::before { box-sizing: border-box; }
    .picture h2 { font-size: 1.75rem; line-height: 1.2; letter-spacing: -0.01em; margin: 0; }
    .picture h3 { font-size: 1.05rem; line-height: 1.3; margin: 0 0 0.2rem; }
    .picture .kind, .picture figcaption p, .picture .gap { color: var(--faint); margin: 0.2rem 0 0; }
    .picture figcaption p, .picture .gap { font-size: 0.87rem; line-height: 1.45; }
    .picture .facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: 0.75rem; margin: 1.25rem 0; }
    .picture .facts div, .picture figure, .picture details {
      background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 0.9rem 1rem;
    }
    .picture dt { color: var(--faint); font-size: 0.8rem; }
    .picture dd { font-size: 1.45rem; font-weight: 650; line-height: 1.25; margin: 0.1rem 0; }
    .picture dd.more { color: var(--faint); font-size: 0.8rem; font-weight: 400; line-height: 1.35; }
    .picture .figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 25rem), 1fr)); gap: 0.75rem; margin-bottom: 0.75rem; }
    .picture figure { margin: 0; min-width: 0; padding: 1.1rem 1.2rem; display: flex; flex-direction: column; }
    .picture figure.wide { grid-column: 1 / -1; }
    .picture figcaption { margin-bottom: auto; }
    .picture svg { display: block; overflow: visible; }
    .picture svg.plot { width: calc(100% - 56px); margin: 2.4rem 14px 2.9rem 42px; }
    .picture svg text { fill: var(--faint); font-size: 11.5px; }
    .picture .grid { stroke: var(--line); }
    .picture .base { stroke: var(--gray); }
    .picture .stretched * { vector-effect: non-scaling-stroke; fill: none; }
    .picture svg.bar { width: 100%; margin: 1rem 0 0.8rem; }
    .picture .bar rect { stroke: var(--card); stroke-width: 1.5; }
    .picture .part0 { fill: var(--blue); } .picture .part1 { fill: var(--sky); } .picture .part2 { fill: var(--green); }
    .picture .part3 { fill: var(--purple); } .picture .part4 { fill: var(--red); } .picture .part5 { fill: var(--sand); }
    .picture .part6 { fill: var(--gray); }
    .picture .keys { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 19rem), 1fr)); gap: 0.25rem 2rem; list-style: none; margin: 0; padding: 0; font-size: 0.87rem; }
    .picture .keys.row { display: flex; flex-wrap: wrap; gap: 0.2rem 1.1rem; }
    .picture .keys li { display: flex; align-items: center; gap: 0.5rem; }
    .picture .keys svg { flex: none; }
    .picture .keys b { font-weight: 600; margin-left: auto; white-space: nowrap; }
    .picture .keys i { color: var(--faint); font-style: normal; min-width: 3.6rem; text-align: right; white-space: nowrap; }
    .picture .symbols { fill: var(--blue); } .picture .plot .rest, .picture .keys .rest { fill: var(--sky); opacity: 0.55; }
    .picture .diagonal { stroke: var(--gray); stroke-dasharray: 5 4; }
    .picture .dots { stroke-width: 7; stroke-linecap: round; stroke-opacity: 0.75; }
    .picture .dots.small { stroke-width: 3.5; }
    .picture .heat .tip { fill: transparent; pointer-events: all; vector-effect: non-scaling-stroke; }
    .picture .heat .tip:hover { stroke: var(--ink); stroke-width: 1.5; }
    .picture .more { stroke: var(--tone); } .picture .less { stroke: var(--other); }
    .picture .zeros { --tone: var(--blue); } .picture .errors { --tone: var(--red); }
    .picture .uses { --tone: var(--orange); --other: var(--blue); }
    .picture .scale { font-size: 0.8rem; color: var(--faint); width: min(100%, 20rem); padding-left: 42px; box-sizing: content-box; max-width: calc(100% - 56px); }
    .picture .scale svg { width: 100%; overflow: hidden; border-radius: 3px; shape-rendering: crispEdges; }
    .picture .ends { display: flex; justify-content: space-between; margin-top: 0.2rem; }
    .picture .hue0 { --hue: var(--blue); } .picture .hue1 { --hue: var(--orange); } .picture .hue2 { --hue: var(--green); }
    .picture .hue3 { --hue: var(--purple); } .picture .hue4 { --hue: var(--sand); } .picture .hue5 { --hue: var(--gray); }
    .picture .curve { stroke: var(--hue); stroke-width: 2; }
    .picture .mark { fill: var(--hue); stroke: var(--card); stroke-width: 1.5; }
    .picture .keys rect[class^="hue"] { fill: var(--hue); }
    .picture .here { stroke: var(--red); stroke-width: 2; stroke-dasharray: 3 3; }
    .picture .keys .here { fill: var(--red); stroke: none; }
    .picture summary { cursor: pointer; font-weight: 600; }
    .picture .table { overflow-x: auto; margin-top: 0.75rem; }
    .picture table { border-collapse: collapse; font-size: 0.87rem; width: 100%; overflow-wrap: normal; }
    .picture th, .picture td { border-bottom: 1px solid var(--line); padding: 0.3rem 0.7rem; text-align: right; white-space: nowrap; }
    .picture th { font-weight: 600; } .picture th:first-child { padding-left: 0; text-align: left; }
    .picture .gap { margin-top: 0.75rem; }
    """
  }

  /// What a page of its own needs beside.
  static let pageStyle = """
    body { background: #f0f2f5; margin: 0; }
    main { margin: 0 auto; max-width: 68rem; padding: 1.75rem 1rem 2.5rem; }
    @media (prefers-color-scheme: dark) { body { background: #11151b; } }
    """
}
