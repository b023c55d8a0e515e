//! Memory stays within the bound that the limits state, whatever the file holds.

#![expect(
    unsafe_code,
    reason = "a global allocator, here one that counts, is an unsafe trait"
)]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    io::{Cursor, Write},
    sync::atomic::{AtomicUsize, Ordering},
};

use litink_core::ingest::{self, Limits};
use zip::{ZipWriter, write::SimpleFileOptions};

struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

fn grow(bytes: usize) {
    let now = NOW.fetch_add(bytes, Ordering::Relaxed) + bytes;
    PEAK.fetch_max(now, Ordering::Relaxed);
}

// SAFETY: every call goes on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grow(layout.size());
        // SAFETY: the caller keeps `alloc`'s contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps `dealloc`'s contract.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Both may exist while the bytes are copied.
        grow(size);
        NOW.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps `realloc`'s contract.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const MIB: usize = 1024 * 1024;

fn limits() -> Limits {
    Limits {
        max_text_bytes: 8 * MIB as u64,
        max_blocks: 120_000,
        max_cover_bytes: MIB as u64,
        max_ratio: 2_000,
        ..Limits::default()
    }
}

fn epub(document: &[u8]) -> Vec<u8> {
    let files: [(&str, &[u8]); 3] = [
        ("META-INF/container.xml", b"<rootfile full-path='a.opf'/>"),
        (
            "a.opf",
            b"<package><manifest><item id='a' href='a.xhtml' media-type='text/html'/></manifest>\
              <spine><itemref idref='a'/></spine></package>",
        ),
        ("a.xhtml", document),
    ];
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (path, bytes) in files {
        zip.start_file(path, SimpleFileOptions::default())
            .expect("an archive in memory");
        zip.write_all(bytes).expect("an archive in memory");
    }
    zip.finish().expect("an archive in memory").into_inner()
}

/// The peak above what was in use before, and what came of it.
fn peak_of(bytes: &[u8]) -> (usize, String) {
    let before = NOW.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    let result = ingest::read(None, Cursor::new(bytes), &limits());
    let outcome = result
        .as_ref()
        .map_or_else(|e| e.code().to_owned(), |_| "read".to_owned());
    (PEAK.load(Ordering::Relaxed) - before, outcome)
}

#[test]
fn hostile_files_stay_within_the_stated_bound() {
    let bound = usize::try_from(limits().memory_bound()).expect("an archive in memory");
    let full = 8 * MIB - 100;
    let paragraph = |text: &str| text.repeat(full / text.len());
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("one line", b"a ".repeat(full / 2), "read"),
        ("prose", paragraph("It was dark in the street. No one knew why it was so dark in there, or for how long it would last.\n\n").into(), "read"),
        ("tiny paragraphs", paragraph("a\n\n").into(), "too_many_blocks"),
        ("numbers as headings", paragraph("CHAPTER 1\n\nx\n\nIt was dark here, and the lamp was out for all of the night and the day that came.\n\n").into(), "too_many_blocks"),
        ("windows-1251", b"\xE4\xE0 \xED\xE5\xF2 ".repeat(full / 7), "text_too_large"),
        ("markup", epub(paragraph("<p>It was dark in the street, and <i>no one</i> knew why.</p><p class='x'>The lamp had gone out, and nobody had lit it again before the dawn came.</p>").as_bytes()), "read"),
        ("tiny elements", epub(paragraph("<p>a").as_bytes()), "too_many_blocks"),
        ("nesting", epub(paragraph("<b><i>").as_bytes()), "empty_book"),
        ("one attribute", epub(format!("<p title='{}'>x</p>", "y".repeat(full - 100)).as_bytes()), "read"),
        ("many attributes", epub(format!("<p {}>x</p>", "a='b' ".repeat(full / 6 - 100)).as_bytes()), "read"),
        ("ids", epub(paragraph("<a id='x'/><hr/>").as_bytes()), "too_many_blocks"),
        ("sections", epub(paragraph("<div role='x'>").as_bytes()), "empty_book"),
        ("too long a document", epub(&b"<p>a b c d e f g h</p>".repeat(MIB / 2)), "text_too_large"),
    ];
    for (what, bytes, expected) in cases {
        let started = std::time::Instant::now();
        let (peak, outcome) = peak_of(&bytes);
        println!("{:?}", started.elapsed());
        println!(
            "{what}: {} MiB of {} MiB, {outcome}",
            peak / MIB,
            bound / MIB
        );
        assert_eq!(outcome, expected, "{what}");
        assert!(peak <= bound, "{what}: {peak} bytes of {bound}");
    }
}
