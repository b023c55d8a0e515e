//! Files cut short and with flipped bits: an answer or an error, never a panic.

use crate::files::*;

#[test]
fn a_book_cut_short_anywhere_is_no_panic() {
    let bytes = pack(&book());
    for step in 0..200 {
        let cut = bytes.len() * step / 200;
        let error =
            read("a.epub", &bytes[..cut]).expect_err("a truncated archive has no directory");
        assert!(
            ["empty_file", "corrupt_archive", "unsupported_format"].contains(&error.code())
                || cut < 4
        );
    }
}

#[test]
fn flipped_bits_are_no_panic() {
    let files = with(
        book(),
        "OPS/1.xhtml",
        chapter(1, "<table><tr><td>a</td></tr></table>"),
    );
    for method in [
        zip::CompressionMethod::Stored,
        zip::CompressionMethod::Deflated,
    ] {
        let bytes = pack_as(&files, method);
        let mut state = 42_u64;
        let mut read_whole = 0;
        for _ in 0..500 {
            let mut damaged = bytes.clone();
            for _ in 0..3 {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                let at = usize::try_from(state >> 33).unwrap_or(0) % damaged.len();
                damaged[at] ^= 1 << (state & 7);
            }
            read_whole += usize::from(read("a.epub", &damaged).is_ok());
        }
        assert!(
            read_whole > 20,
            "most damage to one chapter leaves the others readable"
        );
    }
}

#[test]
fn documents_cut_short_anywhere_give_what_they_have() {
    let document = chapter(
        1,
        "<ul><li>one &amp; <b>two</b></li></ul><aside epub:type='footnote'>n</aside>",
    );
    let package = package("", "");
    for cut in (0..document.len())
        .step_by(3)
        .filter(|cut| document.is_char_boundary(*cut))
    {
        let files = with(book(), "OPS/1.xhtml", &document.as_bytes()[..cut]);
        let parsed = read("a.epub", &pack(&files)).expect("the other chapters remain");
        assert!(parsed.chapters.len() >= 2);
    }
    for cut in (0..package.len()).step_by(5) {
        // What matters is that there is an answer at all; both are checked elsewhere.
        match read(
            "a.epub",
            &pack(&with(book(), "OPS/book.opf", &package.as_bytes()[..cut])),
        ) {
            Ok(book) => assert!(!book.chapters.is_empty()),
            Err(error) => assert!(
                ["malformed_package", "empty_book"].contains(&error.code()),
                "{error}"
            ),
        }
    }
}
