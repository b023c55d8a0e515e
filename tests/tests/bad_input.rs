//! Files that are no books, over the command line: a typed error, exit code 3, nothing kept, and
//! memory within the stated bound.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{fs, io::Write, path::Path, process::Output};

use litink_tests::{book, litink};

fn import(folder: &Path, name: &str, bytes: &[u8]) -> Output {
    fs::write(folder.join(name), bytes).unwrap();
    litink(&folder.join("data"))
        .args(["import", name])
        .output()
        .unwrap()
}

fn refused(name: &str, bytes: &[u8], code: &str) {
    let folder = tempfile::tempdir().unwrap();
    let output = import(folder.path(), name, bytes);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{name}: {said}");
    assert!(said.contains(&format!("[{code}]")), "{name}: {said}");
    let listed = litink(&folder.path().join("data"))
        .arg("books")
        .output()
        .unwrap();
    assert!(listed.stdout.is_empty(), "nothing is kept of {name}");
    let kept = fs::read_dir(folder.path().join("data/objects")).map_or(0, Iterator::count);
    assert_eq!(kept, 0, "no bytes are kept of {name}");
}

#[test]
fn what_is_no_book_is_refused_and_leaves_nothing() {
    refused("empty.epub", b"", "empty_file");
    refused(
        "binary.txt",
        &[0, 1, 2, 255, 254, 0, 7].repeat(500),
        "not_text",
    );
    let whole = fs::read(book("the-lamplighters-map.epub")).unwrap();
    refused("cut.epub", &whole[..whole.len() / 2], "corrupt_archive");
    refused(
        "book.pdf",
        b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<<>>\nendobj\n",
        "corrupt_pdf",
    );
}

#[test]
fn an_epub_under_another_name_is_read_as_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let whole = fs::read(book("the-lamplighters-map.epub")).unwrap();
    let output = import(folder.path(), "book.txt", &whole);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(String::from_utf8_lossy(&output.stdout).contains("[extension_mismatch]"));
}

#[test]
fn two_hundred_megabytes_of_text_are_refused_in_little_memory() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("huge.txt");
    let mut file = std::io::BufWriter::new(fs::File::create(&path).unwrap());
    let line = "The same line of a book that never ends, again and again and again.\n";
    for _ in 0..(200 << 20) / line.len() {
        file.write_all(line.as_bytes()).unwrap();
    }
    drop(file);
    let program = litink(&folder.path().join("data"));
    let mut timed = std::process::Command::new("/usr/bin/env");
    timed.args(["sh", "-c", "\"$0\" import huge.txt; code=$?; exit $code"]);
    timed.arg(program.get_program()).current_dir(folder.path());
    timed.env("LITINK_DATA_DIR", folder.path().join("data"));
    let child = timed.stderr(std::process::Stdio::piped()).spawn().unwrap();
    let pid = child.id();
    let watcher = std::thread::spawn(move || peak_of_children(pid));
    let output = child.wait_with_output().unwrap();
    let peak = watcher.join().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("too_large]"), "{said}");
    assert!(peak < 128 << 10, "{peak} KiB for a file that is refused");
    println!("peak memory while refusing 200 MB: {peak} KiB");
}

/// The largest memory seen of a process's children, in KiB.
fn peak_of_children(parent: u32) -> u64 {
    let mut peak = 0;
    while Path::new(&format!("/proc/{parent}")).exists() {
        let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children"));
        let Ok(children) = children else { break };
        for child in children.split_whitespace() {
            let status = fs::read_to_string(format!("/proc/{child}/status")).unwrap_or_default();
            let high = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            let kib = high.and_then(|line| line.trim().split(' ').next()?.parse().ok());
            peak = peak.max(kib.unwrap_or(0));
        }
        if fs::read_to_string(format!("/proc/{parent}/stat"))
            .is_ok_and(|stat| stat.contains(") Z "))
        {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    peak
}
