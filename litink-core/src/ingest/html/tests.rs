use super::*;
use crate::domain::{BlockKind, Style};

fn read(markup: &str) -> Document {
    let limits = Limits::default();
    let wanted = ["a1".to_owned(), "a2".to_owned()].into();
    read_document(markup, None, &wanted, &limits, &mut Meter::new(&limits)).unwrap()
}

fn shape(markup: &str) -> Vec<(BlockKind, String)> {
    let blocks = read(markup).blocks;
    blocks.into_iter().map(|b| (b.kind, b.text)).collect()
}

fn one(markup: &str, kind: BlockKind, text: &str) {
    assert_eq!(shape(markup), [(kind, text.to_owned())], "{markup}");
}

#[test]
fn kinds() {
    one(
        "<p>a\n  <i>b</i>&#160;c&shy;d</p>",
        BlockKind::Paragraph,
        "a b cd",
    );
    one("<h2>One<br/>Two</h2>", BlockKind::Heading, "One Two");
    one("<blockquote><p>q</p></blockquote>", BlockKind::Quote, "q");
    one("<ul><li><p>x</p></li></ul>", BlockKind::ListItem, "x");
    one("<pre>a\n  b\n</pre>", BlockKind::Preformatted, "a\n  b");
    one("<hr/>", BlockKind::SceneBreak, "");
    one("<p>* * *</p>", BlockKind::SceneBreak, "* * *");
    one(
        "<p><img src='x' alt='A map'/></p>",
        BlockKind::Image,
        "A map",
    );
    one(
        "<aside epub:type='footnote'><p>n</p></aside>",
        BlockKind::Footnote,
        "n",
    );
    one("text in the body", BlockKind::Paragraph, "text in the body");
    one(
        "<table><tr><th>a</th><th>b</th></tr><tr><td><p>1</p><p>2</p></td><td>3</td></tr></table>",
        BlockKind::Table,
        "a\tb\n1 2\t3",
    );
    one(
        "<div class='stanza'><p>one</p><p>two</p></div>",
        BlockKind::Verse,
        "one\ntwo",
    );
    one(
        "<p epub:type='z3998:verse'><span>one</span><br/><span>two</span></p>",
        BlockKind::Verse,
        "one\ntwo",
    );
}

#[test]
fn what_nobody_reads_aloud_is_left_out() {
    let kind = BlockKind::Paragraph;
    one("<p>word<sup><a href='#n1'>12</a></sup>.</p>", kind, "word.");
    one(
        "<p>word<a href='n.xhtml#n1'><sup>*</sup></a>.</p>",
        kind,
        "word.",
    );
    one(
        "<p>word<a epub:type='noteref' href='#n'>1</a>.</p>",
        kind,
        "word.",
    );
    one("<p>word<a href='#n'>[3]</a>.</p>", kind, "word.");
    one(
        "<p><ruby>漢<rp>(</rp><rt>kan</rt><rp>)</rp></ruby>字</p>",
        kind,
        "漢字",
    );
    one("<p>a<span epub:type='pagebreak'>12</span>b</p>", kind, "ab");
    one(
        "<head><title>T</title></head><script>x()</script><p>a</p>",
        kind,
        "a",
    );
}

#[test]
fn what_only_looks_like_a_note_stays() {
    let kind = BlockKind::Paragraph;
    one("<p>10<sup>2</sup> m</p>", kind, "102 m");
    one(
        "<p>see <a href='#c2'>chapter 2</a></p>",
        kind,
        "see chapter 2",
    );
    one("<p>page <a href='#p'>12</a></p>", kind, "page 12");
}

#[test]
fn careless_markup_keeps_its_paragraphs() {
    let p = |text: &str| (BlockKind::Paragraph, text.to_owned());
    assert_eq!(
        shape("<p>a<p>b<div>c</div>d"),
        [p("a"), p("b"), p("c"), p("d")]
    );
    assert_eq!(shape("<div>a<br><br>b<br>c</div>"), [p("a"), p("b c")]);
    assert_eq!(shape("<p>a <img src='x'/>b</p><p/>")[0], p("a b"));
    assert_eq!(shape("<p><img src='t' alt='T'/>his</p>"), [p("This")]);
}

#[test]
fn anchors_point_at_their_block() {
    let document = read("<p>0</p><div id='a1'><h2>1</h2></div><p>2 <a id='a2'/>x</p>");
    let expected = [("a1".to_owned(), 1), ("a2".to_owned(), 2)];
    assert_eq!(document.anchors, expected.into());
}

#[test]
fn deep_nesting_is_flattened_in_time() {
    let markup = "<div>".repeat(200_000) + "deep" + &"</div>".repeat(200_000) + "<p>after</p>";
    let started = std::time::Instant::now();
    let document = read(&markup);
    assert!(document.flattened);
    let texts: Vec<_> = document.blocks.iter().map(|b| b.text.as_str()).collect();
    assert_eq!(texts, ["deep", "after"]);
    assert!(started.elapsed().as_secs() < 2);
}

/// The words that stand out, and the places of the blocks.
fn marked(markup: &str) -> Vec<(String, Style)> {
    let blocks = read(markup).blocks;
    let words = |block: &RawBlock| {
        let words = block
            .spans
            .iter()
            .map(|s| (block.text[s.range()].to_owned(), s.style));
        words.collect::<Vec<_>>()
    };
    blocks.iter().flat_map(words).collect()
}

#[test]
fn emphasis_is_kept_beside_the_text() {
    use Style::{Emphasis, Strong};
    let cases: &[(&str, &[(&str, Style)])] = &[
        ("<p>a <em> b\n c </em>d</p>", &[("b c", Emphasis)]),
        (
            "<p><i>a</i><i>b</i> <b>c</b></p>",
            &[("ab", Emphasis), ("c", Strong)],
        ),
        (
            "<i><p>one</p><p>two</p></i>",
            &[("one", Emphasis), ("two", Emphasis)],
        ),
        (
            "<p>x<b>y<i>z</i></b></p>",
            &[("yz", Strong), ("z", Emphasis)],
        ),
        (
            "<p>no<sup><a href='#n'><i>1</i></a></sup> <em>&shy;</em><em>!</em></p>",
            &[],
        ),
        (
            "<table><tr><td>a</td><td><em>b</em></td></tr><tr><td><p>c</p><p><em>d</em></p></table>",
            &[("b", Emphasis), ("d", Emphasis)],
        ),
        ("<p>a <span class='italic'>b</span></p>", &[("b", Emphasis)]),
    ];
    for (markup, expected) in cases {
        let found = marked(markup);
        let found: Vec<_> = found.iter().map(|(t, s)| (t.as_str(), *s)).collect();
        assert_eq!(&found, expected, "{markup}");
    }
}

#[test]
fn blocks_know_where_they_start() {
    let markup = "<body><h1 id='c1'>One</h1>\n<div id='d'><p>a</p><p id='p2'>b <i id='x'>c</i></p>\
        </div><span epub:type='pagebreak' id='p_12'/><p>d</p>stray</body>";
    let found: Vec<_> = read(markup).blocks.into_iter().map(|b| b.anchor).collect();
    let at = |text: &str| markup.find(text).map(|at| at as u32);
    let expected = [
        (at("<h1"), Some("c1"), None),
        (at("<p>a"), Some("d"), None),
        (at("<p id"), Some("p2"), None),
        (at("<p>d"), Some("p_12"), Some(12)),
        (at("stray"), None, Some(12)),
    ];
    let found: Vec<_> = found
        .iter()
        .map(|a| (a.offset, a.fragment.as_deref(), a.page))
        .collect();
    assert_eq!(found, expected);
}
